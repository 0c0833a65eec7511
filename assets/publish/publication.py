"""One publication: staged evidence -> likeness of runs -> verdicts -> catalog, under the writer's lock.

The order of things, and what need not be done again. Not here: comparing (assets/likeness), deciding (assets/claims),
what follows beyond single verdicts (assets/analyses), the file (catalog/build.py).
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from assets.analyses.registry import Situation, analyse, situation_digest
from assets.claims.decide import DECISION_VERSION, Rows, decide_on, read_material
from assets.claims.schema import Claim, load_claims
from assets.likeness.compare import compare
from assets.models.sources import Say
from assets.study import Study
from catalog.build import Staged, code_version, discard, finish, publishing, stage, take_in
from catalog.home import Home
from catalog.read import first_row
from catalog.record import Record, now

COMPARISONS = tuple(f"ledger/{kind}/" for kind in ("pair_runs", "metrics", "metric_variants"))
"""Where a comparison is recorded: its own entry and the definitions that it refers to."""


@dataclass(frozen=True)
class Publication:
    """What came of it.

    Attributes:
        build: the build that the catalog shows now.
        n_entries: entries of the record that it added, evaluations aside.
        n_evidence: rows of evidence.
        n_comparisons: models compared now, by one pair measure each.
        n_likeness: rows of likeness.
        evaluation_id: the evaluation that stands now; None where there are no claims.
        decided: whether it was made now, or stood already.
        verdicts: verdicts by word.
    """

    build: int
    n_entries: int
    n_evidence: int
    n_comparisons: int
    n_likeness: int
    evaluation_id: str | None
    decided: bool
    verdicts: dict[str, int]


def publish(home: Home, study: Study, say: Say) -> Publication:
    """Brings the catalog up to the record, with verdicts on the evidence as it then stands."""
    with publishing(home):
        say("Staging the evidence")
        staged = stage(home)
        try:
            staged, n_comparisons = _compare(home, staged, say)
            with duckdb.connect(str(staged.path), read_only=True) as connection:
                claims = claims_in_force(connection, study)
                n_evidence = _number(connection, "SELECT coalesce(sum(n_rows), 0) FROM evidence_variants")
                n_likeness = _number(connection, "SELECT count(*) FROM likeness")
                digest = situation_digest(connection, claims)
                evaluation_id = _standing_evaluation(connection, digest)
                decided = evaluation_id is None and bool(claims)
                if decided:
                    say(f"Deciding {len(claims)} claims on {n_evidence:,} rows of evidence")
                    evaluation_id = _decide(connection, claims, digest, staged.build, Record(home))
            build = finish(home, staged)
        except BaseException:
            discard(staged)
            raise
    with duckdb.connect(str(home.catalog), read_only=True) as connection:
        words = connection.execute("SELECT verdict FROM current_verdicts").fetchall()
    verdicts = dict(Counter(word for (word,) in words).most_common())
    counts = (len(staged.entries), n_evidence, n_comparisons, n_likeness)
    return Publication(build, *counts, evaluation_id, decided, verdicts)


def _compare(home: Home, staged: Staged, say: Say) -> tuple[Staged, int]:
    """Compares training runs on the staged evidence and takes the comparisons in; how many were made.

    They are in the record first: where the process dies, the next publication stages them and makes the rest.
    """
    with duckdb.connect(str(staged.path), read_only=True) as connection:
        n_comparisons = compare(connection, Record(home))
    if n_comparisons:
        say(f"Compared training runs: {n_comparisons} comparisons, of one model by one measure each")
    return take_in(home, staged, COMPARISONS), n_comparisons


def _number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(connection.execute(query).fetchall()[0][0])


def claims_in_force(connection: duckdb.DuckDBPyConnection, study: Study) -> list[Claim]:
    """The study's claims, and those of earlier studies of this home that the library still holds."""
    chosen = load_claims(study.claims)
    library = {claim.id: claim for claim in load_claims("all")}
    earlier = [row[0] for row in connection.execute("SELECT DISTINCT claim_id FROM claims").fetchall()]
    known = {claim.id: claim for claim in chosen} | {name: library[name] for name in earlier if name in library}
    return [known[name] for name in sorted(known)]


def _standing_evaluation(connection: duckdb.DuckDBPyConnection, digest: str) -> str | None:
    row = first_row(connection, "SELECT evaluation_id, inputs_digest FROM current_evaluation")
    return row[0] if row and row[1] == digest else None


def _decide(
    connection: duckdb.DuckDBPyConnection, claims: Sequence[Claim], digest: str, build: int, record: Record
) -> str:
    evaluated_at = now()
    evaluation_id = f"{evaluated_at.replace('-', '').replace(':', '').lower()}-{uuid.uuid4().hex[:8]}"
    material = read_material(connection, claims)
    decisions = decide_on(material, claims, evaluation_id)
    evaluation = {
        "evaluation_id": evaluation_id,
        "of_build": build,
        "condition": "{}",
        "evaluated_at": evaluated_at,
        "code_version": code_version(),
        "decision_version": DECISION_VERSION,
        "inputs_digest": digest,
    }
    situation = Situation(connection, claims, material, decisions, evaluation_id, build, record)
    rows: dict[str, Rows] = {
        "verdicts": decisions.verdicts,
        "verdict_runs": decisions.verdict_runs,
        "specifications": decisions.specifications,
    }
    for table, found in analyse(situation).items():
        rows[table] = [*rows.get(table, []), *found]
    rows["evaluations"] = [{**evaluation, **conditional} for conditional in rows.get("evaluations", [])]
    record.put_evaluation(evaluation, rows)
    return evaluation_id
