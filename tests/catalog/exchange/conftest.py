"""A catalog with the worst names that people could give, and values of a source that may not be handed on."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.home import Home
from catalog.record import Record
from tests.catalog.test_build import publish, put_facts, put_probe_run

HOSTILE = (
    "</script><script>alert('x')</script>",
    'a "quoted", comma\r\nand lines\n',
    "../../etc/passwd",
    "C:\\windows\\..\\x|y?*",
    "'; DROP TABLE models; --",
    "=1+1",
    "emoji 🙂 \u202eright to left\u202c \u00a0",
    "n" * 300,
    "",
)
"""Names of models and families; the last is the empty text."""
SECRET = 0.734566543217


@pytest.fixture
def hostile(tmp_path: Path) -> Home:
    """Families and models with these names, each with a training run and its final checkpoint."""
    home = Home(tmp_path / "home")
    record = Record(home)
    put_facts(record)
    for number, name in enumerate(HOSTILE):
        put_family(record, f"hostile-{number}", name)
    put_probe_run(record, 10, 0.8, "k1", reason=HOSTILE[1])
    publish(home)
    return home


def put_family(record: Record, key: str, name: str) -> None:
    """A family of one model of one training run of one checkpoint, all of that name."""
    record.put("families", key, {"families": [{"family_id": name, "role": "natural", "organisation": name}]})
    record.put("models", key, {"models": [{"model_id": name, "family_id": name, "properties": {name: [name]}}]})
    record.put("training_runs", key, {"training_runs": [{"run_id": name, "model_id": name, "description": name}]})
    checkpoint = {
        "checkpoint_id": name, "run_id": name, "label": name, "is_final": True, "availability": "available",
        "weights_sha256": "w",
    }  # fmt: skip
    record.put("checkpoints", key, {"checkpoints": [checkpoint]})


@pytest.fixture
def withheld(tmp_path: Path) -> Home:
    """Values of our own on one checkpoint, and on the other one that may not be handed on: SECRET and its half."""
    home = Home(tmp_path / "home")
    record = Record(home)
    put_facts(record)
    ours = {"source_id": "moving-target", "kind": "measured", "licence": "Apache-2.0", "may_redistribute": True}
    theirs = {
        "source_id": "theirs", "kind": "published", "citation": "They (2024) <b>bold</b>", "licence": "none",
        "url": "https://example.org/theirs", "may_redistribute": False, "known_on": "2024-01-01",
    }  # fmt: skip
    record.put("sources", "moving-target", {"sources": [ours]})
    record.put("sources", "theirs", {"sources": [theirs]})
    put_probe_run(record, 0, 0.25, "k0")
    put_probe_run(record, 10, SECRET, "k1", probe="theirs", provenance="published", source_id="theirs")
    publish(home)
    return home
