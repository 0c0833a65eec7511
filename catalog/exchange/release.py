"""A folder to publish: Parquet files, their description, how to cite and to open them, and checksums.

Byte-identical for an unchanged catalog. Values of sources that may not be handed on are left out, and whatever shows
them as they are: rows of `measurements`, `evidence` and `best_heads`, and in `verdict_runs` the estimates of single
training runs. What was found from them (verdicts, onsets, likeness) stays. Not here: how tables are written and
described (tables.py, datapackage.py).
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path

import duckdb
import yaml

from catalog.exchange.datapackage import NO_LICENCE, TITLE, version_of, write_datapackage
from catalog.exchange.folders import new_folder, sha256_of_file
from catalog.exchange.tables import Omission, Say, write_tables
from catalog.home import Home
from catalog.read import first_row, open_catalog

SUMS = "SHA256SUMS"
WITHHELD = "SELECT source_id FROM sources WHERE may_redistribute IS NOT TRUE"
RUNS = f"SELECT probe_run_id FROM probe_runs WHERE source_id IN ({WITHHELD})"
OF_WITHHELD = {
    "measurements": Omission(f"probe_run_id IN ({RUNS})"),
    "evidence": Omission(f"source_id IN ({WITHHELD})"),
    "best_heads": Omission(f"source_id IN ({WITHHELD})"),
    "verdict_runs": Omission(
        "provenance = 'published' AND run_id IN (SELECT c.run_id FROM probe_runs AS p JOIN checkpoints AS c "
        f"USING (checkpoint_id) WHERE p.probe_run_id IN ({RUNS}))",
        columns=("estimate", "standard_error"),
    ),
}
"""By table, what shows values of sources that may not be handed on."""


@dataclass(frozen=True)
class Source:
    """What a release says of a source of measurements."""

    source_id: str
    citation: str
    url: str | None
    commit_sha: str | None
    licence: str
    may_redistribute: bool


def write_release(home: Home, folder: Path, say: Say, *, include_all: bool = False) -> list[str]:
    """Writes the release of the last published catalog into a new folder.

    Args:
        include_all: values that may not be handed on are written too.

    Returns:
        The sources whose values were left out.

    Raises:
        UserError: there is no catalog, the folder is taken, or the disk refuses.
    """
    with open_catalog(home) as connection, new_folder(folder) as beside:
        sources = _sources(connection)
        withheld = [source for source in sources if not (source.may_redistribute or include_all)]
        leave_out = OF_WITHHELD if withheld else {}
        tables = write_tables(connection, beside, "parquet", say, leave_out)
        names = ", ".join(source.source_id for source in withheld)
        note = f"Left out: values of {names}, which may not be handed on (README.md says where to get them)."
        write_datapackage(connection, beside, tables, "parquet", dict.fromkeys(leave_out, note))
        version, row = version_of(connection), first_row(connection, "SELECT build, built_at FROM schema_info")
        assert row
        build, day = row[0], row[1].date().isoformat()
        (beside / "README.md").write_text(_readme(build, day, version, sources, withheld), encoding="utf-8")
        (beside / "CITATION.cff").write_text(_citation(build, day, version), encoding="utf-8")
        _write_sums(beside)
    return [source.source_id for source in withheld]


def _sources(connection: duckdb.DuckDBPyConnection) -> list[Source]:
    rows = connection.execute(
        "SELECT source_id, coalesce(citation, source_id), url, commit_sha, coalesce(licence, $none), "
        "may_redistribute IS TRUE FROM sources ORDER BY source_id",
        {"none": NO_LICENCE},
    ).fetchall()
    return [Source(*row) for row in rows]


def _write_sums(folder: Path) -> None:
    lines = [f"{sha256_of_file(path)}  {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def _readme(build: int, day: str, version: str, sources: list[Source], withheld: list[Source]) -> str:
    listed = "\n".join(_source_line(source, is_left_out=source in withheld) for source in sources)
    where = "\n".join(f"- `{source.source_id}`: {_plain(source.url or source.citation)}" for source in withheld)
    left_out = (
        "Measurements of these sources may not be handed on: `measurements`, `evidence` and `best_heads` lack them,\n"
        "and `verdict_runs` the estimates of single training runs. What was found from them is here, verdicts too.\n\n"
        f"{where}\n\n"
        "With these data on your disk, import them (`published` in a study), publish, and you have the whole catalog."
        if withheld
        else "Nothing."
    )
    return f"""# {TITLE}

Catalog of Moving Target, build {build}, made on {day}; version {version} of the data (SCHEMA.BUILD.0): claims about
how language models work, the measurements that they were decided on, and the verdicts for training runs, models and
families, and across families.

## Open it

One Parquet file a table; `datapackage.json` says what every table and column means, its keys and references.

```sh
sha256sum -c {SUMS}
duckdb -c "SELECT claim_id, family_id, verdict FROM 'claim_matrix.parquet' ORDER BY ALL"
python -c "import polars; print(polars.read_parquet('claim_matrix.parquet'))"
```

Read `current_verdicts`, `claim_matrix`, `evidence`, `best_heads` and `onsets` first: they show what counts now. The
other files keep everything, what was replaced since included.

## Licence

Each source keeps its own. What is not a measurement (claims, definitions, verdicts) comes under the licence of the
project, Apache-2.0.

{listed}

## What was left out

{left_out}

## Cite

`CITATION.cff` says how to cite this build. Cite the sources above, and the author of each claim that you use
(`claims.citation`), too.
"""


def _source_line(source: Source, *, is_left_out: bool) -> str:
    licence = "no licence stated" if source.licence == NO_LICENCE else source.licence
    commit = f", commit {source.commit_sha}" if source.commit_sha else ""
    parts = [f"- `{source.source_id}` ({licence}): {_plain(source.citation)}{commit}."]
    if is_left_out:
        parts.append("Its values are left out.")
    elif not source.may_redistribute:
        parts.append("**Its values are in this folder and may not be handed on: keep it to yourself.**")
    return " ".join(parts)


def _plain(text: str) -> str:
    """A text on one line that Markdown shows as it is."""
    return html.escape(" ".join(text.split()), quote=False)


def _citation(build: int, day: str, version: str) -> str:
    content = {
        "cff-version": "1.2.0",
        "message": "If you use these data, please cite them, and the source of each measurement and claim (README.md).",
        "title": f"{TITLE} Catalog, build {build}",
        "type": "dataset",
        "version": version,
        "date-released": day,
        "license": "Apache-2.0",
        "authors": [{"name": "The Moving Target developers"}],
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
