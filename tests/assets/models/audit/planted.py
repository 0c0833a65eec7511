"""Repositories planted in the hub on loopback: Pythia's as they should be, and with faults that are known of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assets.study import FamilySpec, Study
from tests.loopback_hub import LoopbackHub

STEPS = (0, 1, 512, 40000, 88000, 111000, 143000)
REVISIONS = "step{step}"


def plant(
    hub: LoopbackHub, repository: str, weights: Mapping[int, bytes | None] | None = None, main: bytes | None = None
) -> None:
    """A repository with a branch a step, whose weights are its own unless others are given (None: none), and main with
    those of the last step unless others are given."""
    held = {step: f"{repository} {step}".encode() for step in STEPS} | dict(weights or {})
    for step, content in held.items():
        hub.add(repository, files(content), f"step{step}")
    last = held[max(held)] if main is None else main
    hub.add(repository, files(last), "main")


def files(weights: bytes | None) -> dict[str, bytes]:
    beside = {"config.json": b"{}", "README.md": b"# A model"}
    return beside if weights is None else {**beside, "model.safetensors": weights}


def study_of(models: Mapping[str, Mapping[str, Any]], **choice: Any) -> Study:
    """A study of one family: `runs` by model."""
    family = FamilySpec(
        family_id="pythia",
        role="natural",
        description="As EleutherAI names them.",
        models=[{"model_id": name, "runs": {"revisions": REVISIONS, **runs}} for name, runs in models.items()],
    )
    checkpoints = {"pythia": choice} if choice else {}
    return Study.model_validate(
        {"name": "suite", "families": [family], "probes": ["attention"], "checkpoints": checkpoints}
    )
