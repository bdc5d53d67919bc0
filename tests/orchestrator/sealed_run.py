"""A run folder that was sealed and judged, made of synthetic evidence."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.judging.verdict import TEST
from orchestrator.records.code_versions import code_version, judge_version
from orchestrator.records.evidence import Evidence
from orchestrator.records.journal import Journal
from orchestrator.records.seal import seal_hash, write_seal
from search_spaces.study import Study, declared


def write_sealed_run(folder: Path, study: Study, record: Evidence) -> None:
    """Seal a study by the code as it is, and write its record, with the seal in it, into ``folder``."""
    sealed = {
        "study": declared(study),
        "arms": {
            arm.name: {"title": arm.title, "settings": record.arms[arm.name].config.to_json()}
            for arm in study.arms
        },
        "test": TEST,
        "seeds": [r.seed for r in record.arms["vmf"].replicates],
        "data": {"hash": record.data["hash"], "representation": "toy", "test_speakers": ["a"]},
        "code": code_version(),
        "code_of_judge": judge_version(),
    }
    record.seal = json.loads(json.dumps(sealed))
    arguments = {"study": study.name, "seed": 0, "smoke": False}
    journal = Journal(folder)
    journal.append("planned", arguments=arguments, data_hash="d", code="c")
    journal.append("sealed", seal_hash=seal_hash(record.seal), seal=record.seal)
    write_seal(folder, record.seal)
    record.write(folder / "evidence.json")
