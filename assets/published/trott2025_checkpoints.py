"""What both data sets of Trott (2025) share: whose checkpoints they are, and how a file is refused.

Not here: the files (trott2025_attention.py, trott2025_induction.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from assets.probes.registry import Measurement
from assets.published import ImportedCheckpoint
from catalog.errors import UserError

FAMILY = "pythia"
TOKENS_PER_STEP = 2_097_152
FINAL_STEP = 143_000


def checkpoint_of(
    model_id: str,
    seed: int,
    step: int,
    *,
    data_set: str,
    file: Path,
    file_sha256: str,
    measurements: Iterable[Measurement],
) -> ImportedCheckpoint:
    """A checkpoint of PolyPythias."""
    run_id, label = f"{model_id}-seed{seed}", f"step{step}"
    return ImportedCheckpoint(
        checkpoint_id=f"{run_id}@{label}",
        run_id=run_id,
        model_id=model_id,
        family_id=FAMILY,
        seed=seed,
        label=label,
        step=step,
        tokens_seen=step * TOKENS_PER_STEP,
        is_final=step == FINAL_STEP,
        data_set=data_set,
        file=file.name,
        file_sha256=file_sha256,
        measurements=tuple(measurements),
    )


def fault(file: Path, what: str) -> UserError:
    """The file is not as it should be."""
    return UserError(f"The file can't be imported: {what}.", where=str(file), mend="Restore it: git checkout -- FILE.")


def unreadable(file: Path, error: OSError) -> UserError:
    """The file is there and can't be opened."""
    return UserError(f"The file can't be read: {error.strerror}.", where=str(file), mend="Mend its rights.")
