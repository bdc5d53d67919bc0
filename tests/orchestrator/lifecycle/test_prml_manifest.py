"""The manifest in PRML's form: the published test vectors, and what YAML makes of it."""

import hashlib
import json

import pytest
import yaml

from orchestrator.lifecycle.prml_manifest import canonical_bytes, prml_manifest, write_manifest
from orchestrator.records.seal import seal_hash
from search_spaces import load
from search_spaces.study import declared
from trainables.errors import InputError

# TV-001 of the specification's test vectors (https://github.com/studio-11-co/falsify, spec/test-vectors), and
# by how others differ from it.
MINIMAL = {
    "version": "prml/0.1",
    "claim_id": "01900000-0000-7000-8000-000000000000",
    "created_at": "2026-05-01T12:00:00Z",
    "metric": "accuracy",
    "comparator": ">=",
    "threshold": 0.85,
    "dataset": {
        "id": "imagenet-val-2012",
        "hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    },
    "seed": 42,
    "producer": {"id": "studio-11.co"},
}
ZEROS = {"id": "test-dataset", "hash": "0" * 64}
VECTORS = {
    "TV-001": ({}, "1a3466cc08ee7fb60a726ea1c4db6ecf48a9f847b9b7523bfb54b2ffaefee546"),
    "TV-005": (
        {"claim_id": "01900000-0000-7000-8000-000000000002", "producer": {"id": "üniversite.edu.tr"}},
        "6cf48a868f8f2fec59647d4b8327a27aba7dc219c14ab799ad85398a5aa9e1b6",
    ),
    "TV-006": (
        {
            "claim_id": "01900000-0000-7000-8000-000000000003",
            "threshold": 0.5,
            "dataset": ZEROS,
            "seed": 2**64 - 1,
            "producer": {"id": "edge.example"},
        },
        "57c71c567e0c4d86c691e311634730cd1ff0c65308f3a917d62d89d36d31c81d",
    ),
}


def seal(name: str = "vmf_vs_mdn") -> dict:
    data = {"hash": "d" * 16, "representation": "soundstream", "test_speakers": ["a", "b"]}
    return json.loads(json.dumps({"study": declared(load(name)), "seeds": [3, 5, 7], "data": data}))


@pytest.mark.parametrize("vector", VECTORS)
def test_published_vectors_have_their_hashes(vector):
    changes, expected = VECTORS[vector]
    assert hashlib.sha256(canonical_bytes({**MINIMAL, **changes})).hexdigest() == expected


def test_a_seal_becomes_a_manifest_that_yaml_reads_and_writes_as_it_is(tmp_path):
    manifest = prml_manifest(seal(), 1_795_949_311.7, "example.org")
    text = canonical_bytes(manifest).decode()
    read = yaml.safe_load(text)
    assert read == manifest
    again = yaml.safe_dump(read, sort_keys=True, allow_unicode=True, default_flow_style=False, width=10**6)
    assert again == text
    assert (read["threshold"], read["comparator"], read["seed"]) == (0.6, ">", 3)
    assert read["created_at"] == "2026-11-29T10:48:31Z" and read["claim_id"][14] == "7"
    assert read["metric_args"]["seal"] == seal_hash(seal()) and len(read["notes"]) < 4096
    digest = write_manifest(tmp_path / "plan.prml.yaml", manifest)
    assert (tmp_path / "plan.prml.sha256").read_text() == f"{digest}\n"
    assert hashlib.sha256((tmp_path / "plan.prml.yaml").read_bytes()).hexdigest() == digest


def test_another_threshold_is_another_hash():
    bent = seal()
    bent["study"]["criteria"][0]["success"] = 0.5
    first, second = (canonical_bytes(prml_manifest(plan, 0.0, "example.org")) for plan in (seal(), bent))
    assert hashlib.sha256(first).digest() != hashlib.sha256(second).digest()


def test_what_has_no_such_form_is_refused():
    with pytest.raises(InputError, match="one threshold on one metric"):
        prml_manifest(seal("representations"), 0.0, "example.org")
    with pytest.raises(InputError, match="must not have"):
        canonical_bytes({"producer": {"id": "a\nb"}})
