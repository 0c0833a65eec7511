"""Failures: passing ones are tried again by the next run, lasting ones only where something that matters has changed.

A fault lasts where the same bytes give it again by the same code (a pickle, an architecture that transformers does not
carry, NaN weights); network, disk, memory and licences may mend by themselves. Not here: recording a failure (facts.py,
probes/measure.py), what is due (probes/plan.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, Literal

from assets.study import digest
from catalog.errors import UserError
from catalog.record import Record, canonical_json

Fault = Literal["passing", "lasting"]
FETCH = "checkpoints"
"""Probe name under which a checkpoint that could not be had is listed as failed."""
NO_MEMORY = ("out of memory", "allocate memory")
"""What PyTorch says, in a RuntimeError, where it gets no memory."""


@dataclass(frozen=True)
class Failure:
    """The last failure of something that never succeeded since.

    Attributes:
        reason: in words.
        is_lasting: whether it is not tried again: its fault lasts, and the libraries are those that it failed with.
        dagster_run_id: the run in which it failed.
    """

    reason: str
    is_lasting: bool
    dagster_run_id: str | None = None


def fault_of(error: BaseException) -> Fault:
    """Whether an exception would come again; of a UserError its own word, of others by their kind."""
    if isinstance(error, UserError):
        return "lasting" if error.lasting else "passing"
    told = str(error).lower()
    of_the_system = isinstance(error, OSError) and (type(error) is not OSError or error.errno is not None)
    passing = of_the_system or isinstance(error, MemoryError | ImportError) or any(words in told for words in NO_MEMORY)
    return "passing" if passing else "lasting"


def told(error: BaseException) -> str:
    """An exception as the catalog holds it: a UserError's text, else its type and message."""
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


@cache
def versions_in_use() -> Mapping[str, str]:
    """Versions of what decides whether a lasting fault lasts, as probe_runs.versions holds them."""
    return {name: version(name) for name in ("moving-target", "torch", "transformers")}


def fetch_key(checkpoint_id: str, revision: str) -> str:
    """The cache key of a checkpoint that is to be had."""
    return digest(canonical_json([checkpoint_id, revision]))[:40]


def fetch_identity(checkpoint_id: str, revision: str) -> str:
    """The same as `failures` lists it."""
    return f"{FETCH}.{fetch_key(checkpoint_id, revision)}"


def failures(record: Record) -> dict[str, Failure]:
    """By `probe.cache key`, what failed and did not succeed since; the cache key holds bytes and version of a probe."""
    return {identity: _failure(row) for identity, row in record.failed().items()}


def _failure(row: Mapping[str, Any]) -> Failure:
    same = json.loads(row.get("versions") or "{}") == versions_in_use()
    return Failure(row["reason"] or "unknown", row.get("fault") == "lasting" and same, row.get("dagster_run_id"))
