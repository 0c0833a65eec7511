"""Deciding the whole library, over reading the evidence: 40 and 1,000 training runs x 16 checkpoints x 200 heads.

The catalogs are made here, in a temporary folder: families of four sizes, five runs each, that scatter as published
ones do (Trott 2025: runs by .03, models by .03). Every metric that the library reads is there: seven of heads and those
of checkpoints at each checkpoint, copying and ablation at the last. Reading is DuckDB's, of the rows that the claims
read, into polars. Times are of the CPU, memory the peak of the process. Target: seconds, and a few minutes.
`python -m tests.bench.deciding 40` takes another number of runs; five minutes for both on an idle core.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb
from rich.console import Console
from rich.table import Table

import catalog
from assets.probes.registry import Parameters, canonical, variant_id

RUNS = (40, 1000)
RUNS_OF_MODEL, MODELS_OF_FAMILY = 5, 4
LAYERS, HEADS_OF_LAYER = 10, 20
STEPS = (0, *(2**k for k in range(10)), 1000, 10_000, 50_000, 100_000, 143_000)
REPEATED: Parameters = {"input": "repeated", "n": 50, "m": 2, "bos": False}
DISTINCT: Parameters = {"input": "distinct", "n": 50, "bos": False}
TEXT: Parameters = {"corpus": "walk", "bos": False}
KINDS = ("zero", "mean", "resample")
OF_HEADS: Mapping[str, Parameters] = {
    "prefix_matching": REPEATED,
    "prefix_matching_placebo": {**REPEATED, "input": "distinct"},
    "previous_token": DISTINCT,
    "first_token": DISTINCT,
    "previous_token_all": TEXT,
    "first_token_all": TEXT,
    "sink_rate": {**TEXT, "length": 64},
}
OF_CHECKPOINTS: Mapping[str, Parameters] = {
    "repeat_recall": REPEATED,
    "repeat_gain": REPEATED,
    "repeat_loss": REPEATED,
    "icl_score": {**TEXT, "length": 512},
}
OF_SETS = [
    {"input": "repeated", "n": 50, "m": 2, "bos": False, "kind": kind, "outcome": "repeat_loss"} for kind in KINDS
] + [{"input": "text", "corpus": "walk", "length": 512, "bos": False, "kind": k, "outcome": "icl_score"} for k in KINDS]
COPYING: Parameters = {}

RUN = f"i // {RUNS_OF_MODEL}"
SUBJECTS = f"""
    INSERT INTO families (family_id, organisation, role, since_build)
    SELECT DISTINCT 'family' || (i // {RUNS_OF_MODEL * MODELS_OF_FAMILY}), 'someone', 'natural', 1
    FROM range($n) AS t(i);
    INSERT INTO models (model_id, family_id, n_params, n_layers, n_heads, d_model, architecture, attention, adds_bos,
                        positional_encoding, released_on, since_build)
    SELECT 'model' || m, 'family' || (m // {MODELS_OF_FAMILY}), 14000000 * 3 ** (m % {MODELS_OF_FAMILY}), {LAYERS},
           {HEADS_OF_LAYER}, 128 * 2 ** (m % {MODELS_OF_FAMILY}), 'gpt_neox', 'softmax', false, 'rotary',
           DATE '2020-01-01' + CAST(10 * m AS INTEGER), 1
    FROM (SELECT DISTINCT {RUN} AS m FROM range($n) AS t(i));
    INSERT INTO training_runs (run_id, model_id, seed, since_build)
    SELECT 'run' || i, 'model' || ({RUN}), i % {RUNS_OF_MODEL}, 1 FROM range($n) AS t(i);
"""
MEASURED = f"""
    CREATE TABLE evidence_rows AS
    WITH places AS (
        SELECT i, {RUN} AS m, step, step = {STEPS[-1]} AS is_final,
               .9 / (1 + exp(-4 * (log10(step + 1) - 2.8 - .1 * sin(m) - .1 * sin(7 * i))))
               * (1 + .03 * sin(11 * m) + .03 * sin(13 * i)) AS grown
        FROM range($n) AS t(i), (SELECT CAST(unnest({list(STEPS)}) AS BIGINT) AS step)
    ), heads AS (
        SELECT layer, head FROM range({LAYERS}) AS l(layer), range({HEADS_OF_LAYER}) AS h(head)
    )
    SELECT
        'run' || i || '@step' || step AS checkpoint_id, 'run' || i AS run_id, 'model' || m AS model_id,
        'family' || (m // {MODELS_OF_FAMILY}) AS family_id, 'natural' AS role, 'step' || step AS label, step,
        step * 2097152 AS tokens_seen, is_final, v.variant_id, v.metric_id, CAST(v.parameters AS VARCHAR) AS parameters,
        CAST(h.layer AS INTEGER) AS layer, CAST(h.head AS INTEGER) AS head,
        CASE WHEN v.shape = 'edges' THEN 0 END AS sender_layer, CASE WHEN v.shape = 'edges' THEN 1 END AS sender_head,
        v.stratum,
        CASE WHEN v.shape <> 'heads' THEN grown
             WHEN v.metric_id LIKE '%placebo' THEN .014
             WHEN h.layer = 3 + m % 5 AND h.head = (i * 7) % {HEADS_OF_LAYER} THEN .014 + grown
             ELSE .014 + .2 * grown * abs(sin(i + 3 * h.layer + 5 * h.head)) END AS value,
        value + .001 * sin(h.head) AS value_a, value - .001 * sin(h.head) AS value_b, .014::DOUBLE AS chance,
        (value - .014) / (1 - .014) AS excess, .002::DOUBLE AS standard_error, 32 AS n,
        'p' || i || '.' || step AS probe_run_id,
        'measured' AS provenance, 'moving-target' AS source_id, 'float32' AS dtype
    FROM places
    JOIN variants AS v ON v.at_all OR is_final
    LEFT JOIN (
        SELECT 'heads' AS shape, * FROM heads UNION ALL SELECT 'edges', 5, head FROM range(4) AS e(head)
    ) AS h ON h.shape = v.shape
"""


class Cost(NamedTuple):
    """Of one catalog: rows of evidence, CPU seconds of reading and deciding by part, verdicts, peak memory in MB."""

    rows: int
    read: float
    parts: dict[str, float]
    verdicts: int
    peak: float


def variants() -> list[tuple[str, str, str, str, str, bool]]:
    """variant_id, metric_id, parameters, stratum, shape, whether measured at every checkpoint."""
    found = [(metric, of, "", "heads", True) for metric, of in OF_HEADS.items()]
    found += [
        (metric, of, "part=second" * (metric == "repeat_loss"), "", True) for metric, of in OF_CHECKPOINTS.items()
    ]
    found += [(metric, REPEATED, "distance=8", "", True) for metric in ("repeat_recall", "repeat_gain")]
    found += [("copying_eigenvalue", COPYING, "", "heads", False)]
    for metric in ("ablation_effect", "specific_ablation_effect"):
        found += [(metric, of, f"set={top}", "", False) for of in OF_SETS for top in ("top1", "top2", "top2%", "top5%")]
    for kind, stratum in ((kind, stratum) for kind in KINDS[:2] for stratum in ("", "sender=random")):
        found.append(("path_effect", {**REPEATED, "kind": kind}, stratum, "edges", False))
    return [(variant_id(metric, of), metric, canonical(of), *others) for metric, of, *others in found]  # type: ignore[misc]


def make(n_runs: int, path: Path) -> None:
    """A catalog; its evidence is a table."""
    connection = _connect(path)
    connection.execute((Path(catalog.__file__).parent / "schema.sql").read_text(encoding="utf-8"))
    for statement in filter(str.strip, SUBJECTS.split(";")):
        connection.execute(statement, {"n": n_runs})
    connection.execute(
        "CREATE TABLE variants (variant_id TEXT, metric_id TEXT, parameters TEXT, stratum TEXT, "
        "shape TEXT, at_all BOOLEAN)"
    )
    connection.executemany("INSERT INTO variants VALUES (?, ?, ?, ?, ?, ?)", variants())
    connection.execute(MEASURED, {"n": n_runs})
    connection.execute("ALTER TABLE evidence_rows RENAME TO evidence")
    connection.execute("CREATE TABLE retests AS FROM evidence WHERE step = 143000 AND metric_id LIKE '%_matching%'")
    connection.close()


def _connect(path: Path, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """One thread, no progress bar."""
    connection = duckdb.connect(str(path), read_only=read_only, config={"threads": 1})
    connection.execute("SET enable_progress_bar = false")
    return connection


def cost_of(path: Path) -> Cost:
    """Of a catalog."""
    import resource

    from assets.claims.decide import decide_on, metrics_of, read_material, read_rows
    from assets.claims.schema import load_claims

    claims = load_claims("all")
    connection = _connect(path, read_only=True)
    start = time.process_time()
    n_rows = read_rows(connection, metrics_of(claims)).height
    read = time.process_time() - start

    start = time.process_time()
    material = read_material(connection, claims)
    parts = {"reading": time.process_time() - start}
    n_verdicts = 0
    for claim in claims:
        start = time.process_time()
        n_verdicts += len(decide_on(material, [claim], "bench").verdicts)
        parts[claim.id] = time.process_time() - start
    return Cost(n_rows, read, parts, n_verdicts, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main(sizes: Sequence[int] = RUNS) -> None:
    """Prints the tables."""
    console = Console()
    table = Table(
        "runs", "rows", "verdicts", "reading, CPU s", "deciding, CPU s", "over reading", "peak MB", title="Deciding"
    )
    for n_runs in sizes:
        console.print(f"{n_runs} training runs ...")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "catalog.duckdb"
            make(n_runs, path)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                cost = pool.apply(cost_of, (path,))
        whole = sum(cost.parts.values())
        cells = (f"{n_runs:,}", f"{cost.rows:,}", f"{cost.verdicts:,}", f"{cost.read:.1f}", f"{whole:.1f}")
        table.add_row(*cells, f"{whole / cost.read:.1f}", f"{cost.peak:,.0f}")
        slowest = sorted(cost.parts, key=lambda name: -cost.parts[name])[:6]
        console.print("Most: " + ", ".join(f"{name} {cost.parts[name]:.1f} s" for name in slowest))
    console.print(table)


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or RUNS)
