// `MedplumClient` of @medplum/core as it comes.
import assert from 'node:assert/strict';
import { MedplumClient, OperationOutcomeError } from '@medplum/core';
import { admission, base, failure, patient, step } from './steps.mjs';

const url = new URL(base);
const client = new MedplumClient({
  baseUrl: `${url.origin}/`,
  fhirUrlPath: url.pathname.slice(1),
  cacheTime: 0,
  fetch,
});
let made;

await step('create', async () => {
  made = await client.createResource(patient('M-1', 'Medplum'));
  assert.equal(made.meta.versionId, '1');
  assert.equal(made.name[0].family, 'Medplum');
});
await step('conditional create finds the one that is there', async () => {
  const query = 'identifier=urn:oid:1.2.3|M-1';
  const found = await client.createResourceIfNoneExist(patient('M-1', 'Other'), query);
  assert.equal(found.id, made.id);
  assert.equal(found.name[0].family, 'Medplum');
});
await step('read', async () => {
  const read = await client.readResource('Patient', made.id);
  assert.deepEqual(read, made);
});
await step('update', async () => {
  const next = { ...made, name: [{ family: 'Changed' }] };
  const updated = await client.updateResource(next, { headers: { 'If-Match': 'W/"1"' } });
  assert.equal(updated.meta.versionId, '2');
});
await step('update of an older version is refused', async () => {
  const late = { ...made, name: [{ family: 'Late' }] };
  const error = await failure(() =>
    client.updateResource(late, { headers: { 'If-Match': 'W/"1"' } }));
  assert.ok(error instanceof OperationOutcomeError, String(error));
  assert.equal(error.outcome.issue[0].code, 'conflict');
});
await step('patch', async () => {
  const operations = [{ op: 'replace', path: '/name/0/family', value: 'Patched' }];
  const patched = await client.patchResource('Patient', made.id, operations);
  assert.equal(patched.name[0].family, 'Patched');
});
await step('upsert', async () => {
  const query = 'identifier=urn:oid:1.2.3|M-1';
  const resource = { ...patient('M-1', 'Upserted'), id: made.id };
  const upserted = await client.upsertResource(resource, query);
  assert.equal(upserted.id, made.id);
  assert.equal(upserted.name[0].family, 'Upserted');
});
await step('history and versions', async () => {
  const history = await client.readHistory('Patient', made.id);
  assert.equal(history.type, 'history');
  assert.equal(history.entry.length, 4);
  const first = await client.readVersion('Patient', made.id, '1');
  assert.equal(first.name[0].family, 'Medplum');
});
await step('search', async () => {
  const found = await client.searchResources('Patient', { identifier: 'urn:oid:1.2.3|M-1' });
  assert.equal(found.length, 1);
  const one = await client.searchOne('Patient', 'family=Upserted&birthdate=ge1980');
  assert.equal(one.id, made.id);
  assert.equal((await client.searchResources('Patient', 'family=Nobody')).length, 0);
});
await step('transaction', async () => {
  const answer = await client.executeBatch(admission('M-2'));
  assert.equal(answer.type, 'transaction-response');
  assert.deepEqual(answer.entry.map((e) => e.response.status.slice(0, 3)), ['201', '201']);
  const [observation] = await client.searchResources('Observation', 'code=8867-4');
  const subject = await client.readReference(observation.subject);
  assert.equal(subject.name[0].family, 'Bundled');
});
await step('pages', async () => {
  let count = 0;
  for await (const page of client.searchResourcePages('Patient', { _count: '1' })) {
    count += page.length;
  }
  assert.equal(count, 2);
});
await step('delete', async () => {
  const gone = await client.createResource(patient('M-3', 'Gone'));
  await client.deleteResource('Patient', gone.id);
  const error = await failure(() => client.readResource('Patient', gone.id));
  assert.ok(error instanceof OperationOutcomeError, String(error));
});
await step('errors say what is wrong', async () => {
  const error = await failure(() =>
    client.createResource({ resourceType: 'Patient', gender: 'maybe' }));
  assert.ok(error instanceof OperationOutcomeError, String(error));
  assert.match(JSON.stringify(error.outcome), /Patient\.gender/);
  const unknown = await failure(() => client.readResource('Patient', 'nobody'));
  assert.equal(unknown.outcome.issue[0].code, 'not-found');
});
