"""The record: immutable files that are the truth, from which the catalog is made and can be made again.

Here: how entries are named, written and listed. An entry is one JSON file under ledger/ (facts and probe runs) or
evaluations/ (verdicts); a probe run's values stand in one Parquet file beside it. Any number of processes write with no
lock, since a file appears whole under a name that nobody has taken. Nothing is overwritten.
Not here: what the rows mean (schema.sql), the disk or object store (store.py), the catalog's one writer (build.py).

    ledger/models/pythia-70m.000001.json                 facts: rows for one or more tables, by kind, key and generation
    ledger/predictions/CLAIM@1.pythia-1b.000001.json     what a claim expects of a model, frozen before it is measured
    ledger/probe_runs/attention.1f0c....000001.ok.json   probe runs: by probe, cache key, number and status
    measurements/attention.1f0c....000001.parquet
    arrays/representation.1f0c....000001.safetensors     what pair measures compare, kept but not in the catalog
    ledger/pair_runs/functional.pythia-70m.000001.ok.json  comparisons of a model's training runs, as probe runs are
    pair_measurements/functional.pythia-70m.000001.parquet
    evaluations/20261122T101500-ab12cd34.json            verdicts of all claims on the evidence of one build
    builds/000001.json                                   what each publication of the catalog added

A record outlives the code that wrote it. Its files are never changed, and the catalog of an older record is built by
the code of today, so a change of the schema must be one that old rows fit:

- A new table, or a new column that may be null: old rows have none (build.py fills in NULL), and the column's comment
  says what a null means.
- A column that goes is left out of schema.sql: what old entries hold for it is passed over. A table stays, if no longer
  filled. What changes its type or meaning comes under another name; a name is never used again for something else.
- SCHEMA_VERSION goes up by one, so that catalogs made by older code are built again from their record, and older code
  refuses the record (`builds`). A record made by the code before is put under tests/catalog/records, whose tests
  rebuild the records of all versions, hold their verdicts to what was decided then, and publish on top of them.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from catalog.errors import UserError
from catalog.home import Home
from catalog.store import store_of

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

SCHEMA_VERSION = 5
STATUSES = ("ok", "failed", "not_applicable")
REFERRING_FIRST = (
    "pair_runs",
    "predictions",
    "probe_runs",
    "metric_variants",
    "checkpoints",
    "training_runs",
    "models",
)
"""Kinds of entries whose rows refer to rows of others, each before those that it refers to."""
FOLDER = "record/"
"""How an entry's path of a Parquet or safetensors file begins, wherever the record stands."""
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """A file of the record: its path relative to the record folder, and the sha256 of its bytes."""

    path: str
    sha256: str


def now() -> str:
    """The time, UTC, as the record writes it: seconds, no zone."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds")


def canonical_json(content: Any) -> str:
    """JSON with sorted keys and no spaces; dates as ISO text. Equal content, equal text."""

    def plain(value: Any) -> Any:
        if isinstance(value, (date, datetime)):
            return value.isoformat()
        raise TypeError(f"{type(value).__name__} has no place in the record")

    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=plain)


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Record:
    """The record of one home."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.store = store_of(home)

    # Facts

    def put(self, kind: str, key: str, rows: Mapping[str, Iterable[Row]]) -> bool:
        """Records facts about one thing, unless its latest entry says the same.

        Args:
            kind: what the thing is: models, training_runs, checkpoints, claims, ...
            key: its id.
            rows: rows by catalog table, without since_build. A later entry of the same kind and key replaces the
                rows of an earlier one where a table shows the current state (build.HISTORIES lists the others).

        Returns:
            Whether something new was recorded.
        """
        tables = {table: [dict(row) for row in content] for table, content in rows.items()}
        text = canonical_json({"kind": kind, "key": key, "rows": tables})
        folder, stem = f"ledger/{kind}", quote(key, safe="@")
        while True:
            generation = self.store.latest(folder, stem)
            if generation and self._content(f"{folder}/{stem}.{generation:06}.json") == text.encode():
                return False
            if self.store.write_new(f"{folder}/{stem}.{generation + 1:06}.json", text.encode()):
                return True

    def latest(self, kind: str, key: str) -> dict[str, list[dict[str, Any]]] | None:
        """The rows by table of a thing's latest entry."""
        folder, stem = f"ledger/{kind}", quote(key, safe="@")
        generation = self.store.latest(folder, stem)
        return self.read(f"{folder}/{stem}.{generation:06}.json")["rows"] if generation else None

    # Probe runs and pair runs

    def finished(self) -> dict[str, str]:
        """Status (ok, not_applicable) by `probe.cache key` of every probe run that need not be done again.

        Read from file names alone, so that planning stays fast with many entries.
        """
        found: dict[str, str] = {}
        for name in self.store.names("ledger/probe_runs"):
            identity, _, status = name.removesuffix(".json").rsplit(".", 2)
            if status != "failed":
                found[identity] = status
        return found

    def failed(self) -> dict[str, dict[str, Any]]:
        """The row of the last failed probe run by `probe.cache key`, of those that are not finished."""
        finished, last = self.finished(), {}
        for name in self.store.names("ledger/probe_runs"):
            identity, _, status = name.removesuffix(".json").rsplit(".", 2)
            if status == "failed" and identity not in finished:
                last[identity] = name
        return {identity: self._probe_run(name) for identity, name in last.items()}

    def probe_runs_beside(self, known: Collection[str]) -> Iterator[dict[str, Any]]:
        """The rows of probe runs that are none of these ids, in the order of ids."""
        for name in self.store.names("ledger/probe_runs"):
            if name.removesuffix(".json").rpartition(".")[0] not in known:
                yield self._probe_run(name)

    def _probe_run(self, name: str) -> dict[str, Any]:
        return self.read(f"ledger/probe_runs/{name}")["rows"]["probe_runs"][0]

    def put_probe_run(
        self, row: Row, measurements: pl.DataFrame | None, arrays: Mapping[str, np.ndarray] | None = None
    ) -> str:
        """Records one execution of a probe: its values first, then the entry that makes them count.

        Args:
            row: columns of catalog table probe_runs, without those that are set here (probe_run_id, recorded_at, path,
                file_sha256, n_rows, arrays_path, arrays_sha256) and since_build.
            measurements: columns of catalog table measurements without probe_run_id and checkpoint_id.
            arrays: by name, kept as one safetensors file; not part of the catalog.

        Returns:
            The probe_run_id.
        """
        stem = f"{row['probe']}.{row['cache_key']}"

        def put_arrays(probe_run_id: str, entry: dict[str, Any]) -> bool:
            return self._put_arrays(probe_run_id, entry, arrays)

        return self._put_run("probe_runs", "probe_run_id", stem, row, "measurements", measurements, put_arrays)

    def put_pair_run(self, row: Row, measurements: pl.DataFrame | None) -> str:
        """Records one comparison of a model's training runs; call under the writer's lock.

        Args:
            row: columns of catalog table pair_runs, without those that are set here (pair_run_id, recorded_at, path,
                file_sha256, n_rows) and since_build.
            measurements: columns of catalog table pair_measurements without pair_run_id.

        Returns:
            The pair_run_id: measure, model and a number that grows, so that the last in order of ids is the latest.
        """
        stem = f"{row['measure']}.{row['subject']}"
        return self._put_run("pair_runs", "pair_run_id", stem, row, "pair_measurements", measurements)

    def _put_run(
        self,
        kind: str,
        id_column: str,
        stem: str,
        row: Row,
        folder: str,
        values: pl.DataFrame | None,
        put_more: Callable[[str, dict[str, Any]], bool] = lambda run_id, entry: True,
    ) -> str:
        """Writes values, then whatever else, then the entry, under the first number that is free for all of them.

        Values without an entry are what a killed process left: they are taken over if they are the same, which an
        instrument that gives the same bits again makes sure of; else they stay beside, and count for nothing.
        """
        number = 1
        while True:
            run_id = f"{stem}.{number:06}"
            entry = {**row, id_column: run_id, "recorded_at": now()}
            shared = {column: entry[column] for column in (id_column, "checkpoint_id") if column in entry}
            if (
                self._is_free(kind, run_id)
                and self._put_values(f"{folder}/{run_id}.parquet", entry, values, shared)
                and put_more(run_id, entry)
            ):
                text = canonical_json({"kind": kind, "key": run_id, "rows": {kind: [entry]}})
                if self.store.write_new(f"ledger/{kind}/{run_id}.{row['status']}.json", text.encode()):
                    return run_id
            number += 1

    def _is_free(self, kind: str, run_id: str) -> bool:
        return not any(self.store.exists(f"ledger/{kind}/{run_id}.{status}.json") for status in STATUSES)

    def _put_values(
        self, path: str, entry: dict[str, Any], values: pl.DataFrame | None, shared: Mapping[str, str]
    ) -> bool:
        """Writes the values, each with what they share, and completes the entry with path, sha256 and rows; False where
        the name is taken."""
        entry |= {"path": None, "file_sha256": None, "n_rows": 0}
        if values is None or values.is_empty():
            return True
        import polars as pl

        named = values.with_columns(**{column: pl.lit(value) for column, value in shared.items()})
        buffer = io.BytesIO()
        named.write_parquet(buffer, compression="zstd")
        entry |= {"path": FOLDER + path, "file_sha256": sha256_of(buffer.getvalue()), "n_rows": named.height}
        return self._holds(path, buffer.getvalue())

    def _put_arrays(self, probe_run_id: str, entry: dict[str, Any], arrays: Mapping[str, np.ndarray] | None) -> bool:
        """Writes the arrays and completes the entry with their path and sha256; False where the name is taken."""
        entry |= {"arrays_path": None, "arrays_sha256": None}
        if not arrays:
            return True
        from safetensors.numpy import save

        content = save(dict(arrays))
        path = f"arrays/{probe_run_id}.safetensors"
        entry |= {"arrays_path": FOLDER + path, "arrays_sha256": sha256_of(content)}
        return self._holds(path, content)

    def arrays(self, path: str, sha256: str) -> dict[str, np.ndarray]:
        """The arrays of a probe run, by its arrays_path and arrays_sha256.

        Raises:
            UserError: the file is missing or damaged.
        """
        from safetensors.numpy import load

        try:
            content = self._content(path.removeprefix(FOLDER))
        except OSError as error:
            reason = str(error)
        else:
            if sha256_of(content) == sha256:
                return load(content)
            reason = "it was changed after it was written"
        raise UserError(
            f"Arrays of the record can't be read: {reason}.",
            where=self._where(path.removeprefix(FOLDER)),
            mend="Restore the file from a backup.",
        )

    # Evaluations

    def put_evaluation(self, evaluation: Row, rows: Mapping[str, Iterable[Row]]) -> None:
        """Records one deciding of the claims: its row, and by table the rows of what was decided and found out.

        `rows` may hold further evaluations: the same claims under a condition.
        """
        key = evaluation["evaluation_id"]
        tables = {table: [dict(row) for row in content] for table, content in rows.items()}
        tables["evaluations"] = [dict(evaluation), *tables.get("evaluations", [])]
        text = canonical_json({"kind": "evaluations", "key": key, "rows": tables})
        if not self.store.write_new(f"evaluations/{key}.json", text.encode()):
            raise UserError(
                f"There is an evaluation {key} already.", where=self._where("evaluations"), mend="Publish again."
            )

    # Entries and builds

    def paths(self) -> list[str]:
        """All entries, by path relative to the record folder, sorted.

        Others may be writing meanwhile: what an entry refers to was recorded before it, so it is listed after it.
        """
        last = sorted(set(self.store.folders("ledger")) - set(REFERRING_FIRST))
        folders = ["evaluations", *(f"ledger/{kind}" for kind in (*REFERRING_FIRST, *last))]
        return sorted(f"{folder}/{name}" for folder in folders for name in self.store.names(folder))

    def n_measured(self) -> int:
        """Checkpoints and probe runs recorded so far, a checkpoint again for every change of what is known of it."""
        return len(self.store.names("ledger/checkpoints")) + len(self.store.names("ledger/probe_runs"))

    def read(self, path: str | PurePath) -> dict[str, Any]:
        """The content of an entry.

        Raises:
            UserError: the file is not the JSON that was written.
        """
        at = PurePath(path).as_posix()
        try:
            return json.loads(self._content(at))
        except (ValueError, OSError) as error:
            raise UserError(
                f"An entry of the record can't be read: {error}",
                where=self._where(at),
                mend="Restore the file from a backup.",
            ) from None

    def rows(self, entry: Entry) -> dict[str, list[dict[str, Any]]]:
        """The rows by table of an entry; raises as `unchanged` does."""
        _, content = self._checked(entry.path, entry.sha256)
        return json.loads(content)["rows"]

    def entry(self, path: str) -> Entry:
        return Entry(path, sha256_of(self._content(path)))

    def builds(self) -> list[dict[str, Any]]:
        """All builds in order: build, built_at, code_version, n_entries, digest, entries [[path, sha256], ...] and, in
        all but the first ones, schema_version.

        Raises:
            UserError: newer code than this made one of them.
        """
        self.check_understood()
        return [self.read(f"builds/{name}") for name in self.store.names("builds")]

    def check_understood(self) -> None:
        """Refuses a record that newer code has published from: its last build is of a newer schema.

        Raises:
            UserError: it is.
        """
        last = self.store.names("builds")[-1:]
        newest = self.read(f"builds/{last[0]}").get("schema_version", 0) if last else 0
        if newest > SCHEMA_VERSION:
            raise UserError(
                f"This record was written by a newer version of the project: its schema is version {newest}, and only "
                f"those up to {SCHEMA_VERSION} are understood here.",
                where=self.store.location,
                mend="Update the project, or name another home in MOVING_TARGET_HOME. Nothing was changed.",
            )

    def put_build(self, build: Row) -> None:
        """Appends a build; it exists from now on, whatever happens to the catalog file."""
        path = f"builds/{build['build']:06}.json"
        if not self.store.write_new(path, canonical_json(build).encode()):
            raise UserError("Another publication finished first.", where=self._where(path), mend="Publish again.")

    # Files

    def unchanged(self, path: str, sha256: str) -> Path:
        """A file of this machine with the bytes of a file of the record, checked.

        Args:
            path: relative to the record, or as an entry holds it (beginning with `record/`).
            sha256: of its bytes when it was written.

        Raises:
            UserError: it is missing or was changed.
        """
        file, _ = self._checked(path.removeprefix(FOLDER), sha256)
        return file

    def _checked(self, path: str, sha256: str) -> tuple[Path, bytes]:
        with suppress(FileNotFoundError):
            file = self.store.local(path)
            content = file.read_bytes()
            if sha256_of(content) == sha256:
                return file, content
        raise UserError(
            "A file of the record is missing or was changed after it was written.",
            where=self._where(path),
            mend="Restore it from a backup; the record is never edited by hand.",
        )

    def _holds(self, path: str, content: bytes) -> bool:
        """Whether a file holds this content, written now or before."""
        return self.store.write_new(path, content) or self._content(path) == content

    def _content(self, path: str) -> bytes:
        return self.store.local(path).read_bytes()

    def _where(self, path: str) -> str:
        return f"{self.store.location}/{path}"
