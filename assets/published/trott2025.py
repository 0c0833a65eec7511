"""Trott (2025): attention to the previous and to the first token, per head, in 36 Pythia training runs.

The repository keeps one CSV file per checkpoint under data/processed/attention_summaries, one row per head; layers and
heads are counted from 1 there and from 0 here. It carries no licence: its values stay on the user's disk.

Here: finding, checking and reading those files. Not here: what the two metrics are (probes/text_attention.py, which
measures them too), the design of the models (models/families/pythia.yaml), what the paper computed from the values
(claims/regressions.py).
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from assets.probes.registry import Measurement, Metric, Parameters
from assets.probes.text_attention import FIRST_TOKEN_ALL, PREVIOUS_TOKEN_ALL
from assets.published import ImportedCheckpoint
from catalog.errors import UserError

FOLDER = "attention_summaries"
PATTERN = "natural_stories-rs_model-*-seed*_summary.csv"
NAME = re.compile(r"natural_stories-rs_model-(?P<model>[a-z0-9.-]+)-step(?P<step>\d+)-seed(?P<seed>\d+)_summary\.csv")
COLUMNS: dict[str, Any] = {
    "mpath": pl.String,
    "step_modded": pl.Int64,
    "revision": pl.String,
    "Layer": pl.Int64,
    "Head": pl.Int64,
    "seed": pl.Int64,
    "n_params": pl.Int64,
    "n_layers": pl.Int64,
    "mean_1back": pl.Float64,
    "mean_first": pl.Float64,
}
"""The columns read, with their types; the others are derived from the same attention."""

TOKENS_PER_STEP = 2_097_152
FINAL_STEP = 143_000
SENTENCES = 666
PARAMETERS: Parameters = {"corpus": "natural-stories+dundee", "bos": False}
UNIFORM_PREVIOUS = 0.126
UNIFORM_FIRST = 0.166
"""What uniform attention gives on the 666 sentences, to the three digits known of it: lengths are not published by
sentence. The mean over heads at step 0 is .1256 and .1657."""

VALUES = (
    (PREVIOUS_TOKEN_ALL, "mean_1back", UNIFORM_PREVIOUS),
    (FIRST_TOKEN_ALL, "mean_first", UNIFORM_FIRST),
)


@dataclass(frozen=True)
class Trott2025:
    """The importer; `path` is a clone of the repository, or the folder of the files itself."""

    name: str = "trott2025"
    version: int = 1
    metrics: tuple[Metric, ...] = (PREVIOUS_TOKEN_ALL, FIRST_TOKEN_ALL)
    how_to_get: str = "git clone --depth 1 https://github.com/seantrott/mechinterp_generalizability"

    def source(self, path: Path) -> dict[str, Any]:
        """The row of catalog table `sources`."""
        return {
            "source_id": self.name,
            "kind": "published",
            "citation": "Trott, S. (2025). Toward a Theory of Generalizability in LLM Mechanistic Interpretability "
            "Research. arXiv 2509.22831",
            "url": "https://github.com/seantrott/mechinterp_generalizability",
            "commit_sha": commit_of(path),
            "licence": "none",
            "may_redistribute": False,
            "known_on": date(2025, 9, 26),
        }

    def read(self, path: Path) -> Iterator[ImportedCheckpoint]:
        """All checkpoints below `path`, two values per head; every file is checked before the first is handed out."""
        found: dict[str, ImportedCheckpoint] = {}
        for file in self.files(path):
            checkpoint = read_file(file)
            earlier = found.setdefault(checkpoint.checkpoint_id, checkpoint)
            if earlier is not checkpoint:
                raise UserError(
                    f"Two files hold the checkpoint {checkpoint.checkpoint_id}: {earlier.file} and {checkpoint.file}.",
                    where=str(file.parent),
                    mend="Keep the one that belongs there.",
                )
        yield from sorted(found.values(), key=lambda checkpoint: (checkpoint.run_id, checkpoint.step or 0))

    def files(self, path: Path) -> list[Path]:
        """The CSV files in `path` itself, or in the folder `attention_summaries` up to three levels below it.

        Raises:
            UserError: there are none.
        """
        here = sorted(path.glob(PATTERN))
        below = sorted(file for stars in ("", "*/", "*/*/") for file in path.glob(f"{stars}{FOLDER}/{PATTERN}"))
        if not (here or below):
            what = "holds no files of Trott (2025)" if path.is_dir() else "does not exist"
            raise UserError(
                f"The folder {what}.",
                where=str(path),
                mend=f"Name a clone of the repository ({self.how_to_get}), or its folder data/processed/{FOLDER}.",
            )
        return here or below


def read_file(file: Path) -> ImportedCheckpoint:
    """One checkpoint from one file.

    Raises:
        UserError: a column is missing, a cell can't be read or lies outside its range, or the rows are not those of
            the model and checkpoint that the file's name states.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(
            f"The file can't be read: {error.strerror}.", where=str(file), mend="Mend its rights."
        ) from None
    rows = _checked(_table(content, file), file)
    model_id = rows["mpath"][0].rpartition("/")[2]
    seed, step = rows["seed"][0], rows["step_modded"][0] - 1
    label = rows["revision"][0]
    run_id = f"{model_id}-seed{seed}"
    return ImportedCheckpoint(
        checkpoint_id=f"{run_id}@{label}",
        run_id=run_id,
        model_id=model_id,
        family_id="pythia",
        seed=seed,
        label=label,
        step=step,
        tokens_seen=step * TOKENS_PER_STEP,
        is_final=step == FINAL_STEP,
        file=file.name,
        file_sha256=hashlib.sha256(content).hexdigest(),
        measurements=tuple(
            Measurement(
                metric_id=metric.metric_id,
                parameters=PARAMETERS,
                value=value,
                layer=layer - 1,
                head=head - 1,
                chance=chance,
                n=SENTENCES,
            )
            for metric, column, chance in VALUES
            for layer, head, value in rows.select("Layer", "Head", column).iter_rows()
        ),
    )


def _table(content: bytes, file: Path) -> pl.DataFrame:
    """The columns read, with their types."""
    try:
        text = pl.read_csv(io.BytesIO(content), infer_schema=False)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise UserError(
            f"The file is not readable as CSV: {error}", where=str(file), mend="Restore it: git checkout -- FILE."
        ) from None
    missing = [name for name in COLUMNS if name not in text.columns]
    if missing:
        raise UserError(
            f"The file lacks the column {', '.join(missing)}.",
            where=str(file),
            mend=f"Columns expected: {', '.join(COLUMNS)}. Restore the file: git checkout -- FILE.",
        )
    table = text.select(pl.col(name).cast(kind, strict=False) for name, kind in COLUMNS.items())
    for name in COLUMNS:
        unread = table[name].is_null().arg_max() if table[name].null_count() else None
        if unread is not None:
            raise _fault(file, f"line {unread + 2}, column {name}: {text[name][unread]!r} is not a {_kind(name)}")
    return table


def _kind(column: str) -> str:
    return {pl.String: "text", pl.Int64: "whole number", pl.Float64: "number"}[COLUMNS[column]]


def _checked(rows: pl.DataFrame, file: Path) -> pl.DataFrame:
    """The rows, if they are all the heads of the one checkpoint that the file's name states."""
    named = NAME.fullmatch(file.name)
    if rows.is_empty() or named is None:
        raise _fault(file, "no rows" if rows.is_empty() else "the name does not state model, step and seed")
    expected = {
        "mpath": f"EleutherAI/{named['model']}",
        "step_modded": int(named["step"]) + 1,
        "revision": f"step{named['step']}",
        "seed": int(named["seed"]),
        "n_layers": rows["n_layers"][0],
        "n_params": rows["n_params"][0],
    }
    for name, value in expected.items():
        odd = rows.filter(pl.col(name) != value)
        if odd.height:
            raise _fault(file, f"column {name} says {odd[name][0]!r} where {value!r} is expected")
    for _, name, _ in VALUES:
        odd = rows.filter(~pl.col(name).is_between(0, 1))
        if odd.height:
            raise _fault(file, f"column {name} holds {odd[name][0]}, which is no mean probability")
    heads = set(rows.select("Layer", "Head").iter_rows())
    n_layers, n_heads = rows["n_layers"][0], max(head for _, head in heads)
    every = {(layer, head) for layer in range(1, n_layers + 1) for head in range(1, n_heads + 1)}
    if heads != every or rows.height != len(every):
        raise _fault(
            file, f"{rows.height} rows of {len(heads)} heads, where {n_layers} layers of {n_heads} are {len(every)}"
        )
    return rows


def _fault(file: Path, what: str) -> UserError:
    return UserError(f"The file can't be imported: {what}.", where=str(file), mend="Restore it: git checkout -- FILE.")


def commit_of(path: Path) -> str | None:
    """The commit that a clone stands at, read from its .git folder; None where `path` is not (the data of) a clone."""
    resolved = path.resolve()
    within = resolved.parents[2] if resolved.match(f"data/processed/{FOLDER}") else resolved
    git = within / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="ascii").strip()
        reference = head.removeprefix("ref: ")
        if reference == head:
            return _sha(head)
        if (git / reference).is_file():
            return _sha((git / reference).read_text(encoding="ascii").strip())
        packed = (git / "packed-refs").read_text(encoding="ascii").splitlines()
        return next((_sha(line.split()[0]) for line in packed if line.endswith(f" {reference}")), None)
    except (OSError, UnicodeDecodeError):
        return None


def _sha(text: str) -> str | None:
    return text if re.fullmatch(r"[0-9a-f]{40}", text) else None


IMPORTER = Trott2025()
