// `fhir-kit-client` as it comes.
import assert from 'node:assert/strict';
import { Client } from 'fhir-kit-client';
import { admission, base, failure, patient, step } from './steps.mjs';

const client = new Client({ baseUrl: base });
let made;

await step('capabilities', async () => {
  const statement = await client.capabilityStatement();
  assert.equal(statement.resourceType, 'CapabilityStatement');
  assert.equal(statement.fhirVersion, '4.0.1');
  const types = statement.rest[0].resource.map((r) => r.type);
  assert.ok(types.includes('Patient'), types.join());
});
await step('create', async () => {
  made = await client.create({ resourceType: 'Patient', body: patient('K-1', 'Kit') });
  assert.equal(made.meta.versionId, '1');
});
await step('conditional create', async () => {
  const options = { headers: { 'If-None-Exist': 'identifier=urn:oid:1.2.3|K-1' } };
  await client.create({ resourceType: 'Patient', body: patient('K-1', 'Twin'), options });
  const found = await client.search({
    resourceType: 'Patient',
    searchParams: { identifier: 'urn:oid:1.2.3|K-1' },
  });
  assert.equal(found.type, 'searchset');
  assert.equal(found.total, 1);
});
await step('read and vread', async () => {
  const read = await client.read({ resourceType: 'Patient', id: made.id });
  assert.deepEqual(read, made);
  const version = await client.vread({ resourceType: 'Patient', id: made.id, version: '1' });
  assert.deepEqual(version, made);
});
await step('update with ETag', async () => {
  const body = { ...made, gender: 'male' };
  const options = { headers: { 'If-Match': 'W/"1"' } };
  const at = { resourceType: 'Patient', id: made.id };
  const updated = await client.update({ ...at, body, options });
  assert.equal(updated.meta.versionId, '2');
  const error = await failure(() => client.update({ ...at, body, options }));
  assert.equal(error.response.status, 412);
});
await step('conditional update', async () => {
  const updated = await client.update({
    resourceType: 'Patient',
    searchParams: { identifier: 'urn:oid:1.2.3|K-1' },
    body: patient('K-1', 'Conditional'),
  });
  assert.equal(updated.id, made.id);
  assert.equal(updated.meta.versionId, '3');
});
await step('patch', async () => {
  const jsonPatch = [{ op: 'add', path: '/active', value: true }];
  const patched = await client.patch({ resourceType: 'Patient', id: made.id, jsonPatch });
  assert.equal(patched.active, true);
});
await step('history', async () => {
  const history = await client.resourceHistory({ resourceType: 'Patient', id: made.id });
  assert.deepEqual(history.entry.map((e) => e.resource.meta.versionId), ['4', '3', '2', '1']);
  const types = await client.typeHistory({ resourceType: 'Patient' });
  assert.ok(types.entry.length >= 4);
});
await step('transaction and batch', async () => {
  const answer = await client.transaction({ body: admission('K-2') });
  assert.equal(answer.type, 'transaction-response');
  const body = {
    resourceType: 'Bundle',
    type: 'batch',
    entry: [
      { request: { method: 'GET', url: `Patient/${made.id}` } },
      { request: { method: 'GET', url: 'Patient/nobody' } },
    ],
  };
  const batch = await client.batch({ body });
  assert.deepEqual(batch.entry.map((e) => e.response.status.slice(0, 3)), ['200', '404']);
});
await step('a bad last entry undoes a transaction', async () => {
  const body = admission('K-3');
  body.entry.push({
    resource: { ...patient('K-4', 'Bad'), gender: 'maybe' },
    request: { method: 'POST', url: 'Patient' },
  });
  const error = await failure(() => client.transaction({ body }));
  assert.ok(error.response.status >= 400 && error.response.status < 500);
  assert.equal(error.response.data.resourceType, 'OperationOutcome');
  const found = await client.search({
    resourceType: 'Patient',
    searchParams: { identifier: 'urn:oid:1.2.3|K-3' },
  });
  assert.equal(found.total, 0);
});
await step('pages', async () => {
  let page = await client.search({ resourceType: 'Patient', searchParams: { _count: 1 } });
  let count = 0;
  while (page) {
    count += page.entry?.length ?? 0;
    page = await client.nextPage({ bundle: page });
  }
  assert.equal(count, 2);
});
await step('delete', async () => {
  await client.delete({ resourceType: 'Patient', id: made.id });
  const error = await failure(() => client.read({ resourceType: 'Patient', id: made.id }));
  assert.equal(error.response.status, 410);
});
await step('errors', async () => {
  const error = await failure(() => client.read({ resourceType: 'Patient', id: 'nobody' }));
  assert.equal(error.response.status, 404);
  assert.equal(error.response.data.issue[0].code, 'not-found');
});
