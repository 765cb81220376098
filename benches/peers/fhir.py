"""FHIR in Python, for the tables of `src/main.rs`: the path of a Bundle as argument,
microseconds a resource on the standard output. Needs `pip install fhir.resources`."""

import json
import sys
import time

from fhir.resources.R4B import get_fhir_model_class

with open(sys.argv[1], encoding="utf-8") as file:
    resources = [entry["resource"] for entry in json.load(file)["entry"]]
models = [(get_fhir_model_class(one["resourceType"]), one) for one in resources]
best = float("inf")
begun = time.perf_counter()
rounds = 0
while rounds < 3 or (rounds < 100 and time.perf_counter() - begun < 2):
    begin = time.perf_counter()
    for model, one in models:
        try:
            model.model_validate(one)
        except ValueError:
            pass
    best = min(best, time.perf_counter() - begin)
    rounds += 1
print(json.dumps(best / len(resources) * 1e6))
