// What every client does, and how it tells: one line a step, exit code 1 at the first that fails.
import assert from 'node:assert/strict';

export const base = process.argv[2];

export async function step(name, run) {
  try {
    await run();
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`FAIL ${name}: ${error?.stack ?? error}`);
    process.exit(1);
  }
}

// The failure of `run`, which must fail.
export async function failure(run) {
  try {
    await run();
  } catch (error) {
    return error;
  }
  assert.fail('it did not fail');
}

export const patient = (mrn, family) => ({
  resourceType: 'Patient',
  identifier: [{ system: 'urn:oid:1.2.3', value: mrn }],
  name: [{ family, given: ['Test'] }],
  gender: 'female',
  birthDate: '1980-02-03',
});

export const heartRate = (subject) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }] },
  subject: { reference: subject },
  effectiveDateTime: '2026-01-02T03:04:05Z',
  valueQuantity: { value: 72, unit: '/min', system: 'http://unitsofmeasure.org', code: '/min' },
});

// A patient and an observation about them, each by its `urn:uuid`.
export function admission(mrn) {
  const full = 'urn:uuid:0f9a2b34-3f59-4c1e-9d0a-5a8f6f1c2d3e';
  return {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      {
        fullUrl: 'urn:uuid:7c1f6a52-8f13-4d52-9a39-1f1f4c9b5a77',
        resource: heartRate(full),
        request: { method: 'POST', url: 'Observation' },
      },
      {
        fullUrl: full,
        resource: patient(mrn, 'Bundled'),
        request: {
          method: 'POST',
          url: 'Patient',
          ifNoneExist: `identifier=urn:oid:1.2.3|${mrn}`,
        },
      },
    ],
  };
}
