"""`fhirpy` and `fhirclient` as they come."""

import sys
import traceback

from fhirclient import client as smart
from fhirclient.models import bundle, humanname, observation, patient
from fhirclient.server import FHIRNotFoundException
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound

BASE = sys.argv[1]
SYSTEM = "urn:oid:1.2.3"


def step(name):
    """Runs a step, tells how it went, and ends at the first that fails."""

    def run(function):
        try:
            function()
        except Exception:
            print(f"FAIL {name}: {traceback.format_exc()}")
            sys.exit(1)
        print(f"ok {name}")

    return run


def person(mrn, family):
    """A patient as JSON."""
    return {
        "identifier": [{"system": SYSTEM, "value": mrn}],
        "name": [{"family": family}],
        "gender": "female",
    }


fhirpy = SyncFHIRClient(BASE)
made = fhirpy.resource("Patient", **person("P-1", "Fhirpy"))


@step("fhirpy: create")
def _():
    made.save()
    assert made["meta"]["versionId"] == "1"


@step("fhirpy: conditional create")
def _():
    only_new = {"If-None-Exist": f"identifier={SYSTEM}|P-1"}
    careful = SyncFHIRClient(BASE, extra_headers=only_new)
    twin = careful.resource("Patient", **person("P-1", "Twin")).save()
    assert twin.id == made.id
    assert fhirpy.resources("Patient").search(identifier=f"{SYSTEM}|P-1").count() == 1


@step("fhirpy: read and search")
def _():
    read = fhirpy.reference("Patient", made.id).to_resource()
    assert read.serialize() == made.serialize()
    found = fhirpy.resources("Patient").search(family="fhirpy").fetch_all()
    assert [one.id for one in found] == [made.id]
    assert fhirpy.resources("Patient").search(family="nobody").count() == 0


@step("fhirpy: update")
def _():
    made["gender"] = "male"
    made.save()
    assert made["meta"]["versionId"] == "2"


@step("fhirpy: conditional update")
def _():
    found = fhirpy.resources("Patient").search(identifier=f"{SYSTEM}|P-1")
    updated, is_new = found.update(fhirpy.resource("Patient", **person("P-1", "Updated")))
    assert not is_new
    assert updated.id == made.id
    assert updated["meta"]["versionId"] == "3"


@step("fhirpy: transaction")
def _():
    body = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "resource": {"resourceType": "Patient", **person(f"P-{n}", "Many")},
                "request": {"method": "POST", "url": "Patient"},
            }
            for n in (2, 3)
        ],
    }
    answer = fhirpy.execute("", data=body)
    assert answer["type"] == "transaction-response"
    assert fhirpy.resources("Patient").search(family="Many").count() == 2
    pages = fhirpy.resources("Patient").search(family="Many").limit(1).fetch_all()
    assert len(pages) == 2


@step("fhirpy: delete and errors")
def _():
    made.delete()
    try:
        fhirpy.reference("Patient", made.id).to_resource()
        raise AssertionError("it is still there")
    except ResourceNotFound:
        pass
    try:
        fhirpy.resource("Patient", gender="maybe").save()
        raise AssertionError("it was taken")
    except OperationOutcome as error:
        assert "gender" in str(error.resource), error


server = smart.FHIRClient(settings={"app_id": "weir-test", "api_base": BASE}).server
known = patient.Patient(person("P-9", "Fhirclient"))


@step("fhirclient: create")
def _():
    answer = known.create(server)
    known.id = answer["id"]
    assert answer["meta"]["versionId"] == "1"


@step("fhirclient: read, update, search")
def _():
    read = patient.Patient.read(known.id, server)
    assert read.name[0].family == "Fhirclient"
    read.name = [humanname.HumanName({"family": "Renamed"})]
    read.update(server)
    found = patient.Patient.where({"family": "renamed"}).perform_resources(server)
    assert [one.id for one in found] == [known.id]


@step("fhirclient: transaction and references")
def _():
    full = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"
    body = bundle.Bundle(
        {
            "type": "transaction",
            "entry": [
                {
                    "fullUrl": full,
                    "resource": {"resourceType": "Patient", **person("P-10", "Linked")},
                    "request": {"method": "POST", "url": "Patient"},
                },
                {
                    "resource": {
                        "resourceType": "Observation",
                        "status": "final",
                        "code": {"coding": [{"system": "http://loinc.org", "code": "9279-1"}]},
                        "subject": {"reference": full},
                    },
                    "request": {"method": "POST", "url": "Observation"},
                },
            ],
        }
    )
    body.create(server)
    found = observation.Observation.where({"code": "9279-1"}).perform_resources(server)
    assert len(found) == 1
    assert found[0].subject.resolved(patient.Patient).name[0].family == "Linked"


@step("fhirclient: delete and errors")
def _():
    known.delete(server)
    try:
        patient.Patient.read("nobody", server)
        raise AssertionError("it is there")
    except FHIRNotFoundException:
        pass
