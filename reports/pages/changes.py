"""The change log: what each build brought, which verdicts it moved, and why. As a page, and as an Atom feed.

Here: the builds in words. Not here: which moves there are (catalog view verdict_changes).
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import duckdb

from reports.html import Page, claim_path
from reports.pages.facts import Facts, Row
from reports.query import Query
from reports.words import LABELS, LEVELS, count, listing

PATH = "changes.html"
FEED = "feed.xml"
ATOM = "http://www.w3.org/2005/Atom"
IN_FEED = 50
"""Builds that the feed holds, the latest first."""
LISTED = 40
"""Moves that the page lists of a build; the query gives all."""
BUILDS = Query("SELECT build, built_at, n_entries, digest FROM builds ORDER BY build DESC")
BROUGHT = Query(
    """
WITH first_measured AS (
    SELECT r.model_id, min(p.since_build) AS since_build
    FROM probe_runs AS p
    JOIN checkpoints AS c USING (checkpoint_id)
    JOIN training_runs AS r ON r.run_id = c.run_id
    WHERE p.status = 'ok'
    GROUP BY r.model_id
)
SELECT since_build, 'model' AS what, count(*) AS n, list(model_id ORDER BY model_id) AS names
FROM first_measured GROUP BY ALL
UNION ALL BY NAME
SELECT since_build, if(provenance = 'measured', 'probe run', 'published set of values') AS what, count(*) AS n
FROM probe_runs WHERE status = 'ok' GROUP BY ALL
UNION ALL BY NAME
SELECT since_build, 'failed probe run' AS what, count(*) AS n FROM probe_runs WHERE status = 'failed' GROUP BY ALL
UNION ALL BY NAME
SELECT since_build, 'claim' AS what, count(*) AS n, list(claim_id ORDER BY claim_id) AS names FROM claims GROUP BY ALL
UNION ALL BY NAME
SELECT since_build, 'advisory' AS what, count(*) AS n, list(advisory_id ORDER BY advisory_id) AS names
FROM advisories GROUP BY ALL
ORDER BY since_build DESC, what"""
)
MOVES = Query(
    """
SELECT m.since_build, m.claim_id, c.statement, m.level, m.subject, m.previous, m.verdict, m.kind, m.cause
FROM verdict_changes AS m
JOIN (SELECT claim_id, arg_max(statement, since_build) AS statement FROM claims GROUP BY claim_id) AS c USING (claim_id)
WHERE m.level <> 'run'
ORDER BY m.since_build DESC, m.kind, m.claim_id, m.level, m.subject"""
)
KINDS = ("change", "drift", "first")
PLURALS = {"advisory": "advisories", "published set of values": "published sets of values"}
NAMED = ("model", "claim", "advisory")
"""Of these, the new ones are named where they are few."""


@dataclass(frozen=True)
class Build:
    """One build: what it brought, in words, and its moves above single runs by kind."""

    number: int
    built_at: datetime
    digest: str
    brought: list[str]
    moves: Mapping[str, list[Row]]

    @property
    def told(self) -> str:
        """`2 verdicts changed, 8 moved to or from another word, 120 are new`."""
        n = {kind: len(moves) for kind, moves in self.moves.items()}
        parts = [count(n["change"], "verdict") + " changed" if n["change"] else ""]
        parts.append(f"{n['drift']} moved to or from another word" if n["drift"] else "")
        parts.append(f"{count(n['first'], 'verdict')} for the first time" if n["first"] else "")
        return listing([part for part in parts if part]) or "no verdict moved"


def builds_of(catalog: duckdb.DuckDBPyConnection) -> list[Build]:
    """All builds, the latest first."""
    brought: dict[int, list[str]] = {}
    for row in BROUGHT.rows(catalog):
        brought.setdefault(row["since_build"], []).append(_brought(row))
    moves: dict[tuple[int, str], list[Row]] = {}
    for row in MOVES.rows(catalog):
        moves.setdefault((row["since_build"], row["kind"]), []).append(row)
    return [
        Build(
            row["build"],
            row["built_at"],
            row["digest"],
            brought.get(row["build"], []),
            {kind: moves.get((row["build"], kind), []) for kind in KINDS},
        )
        for row in BUILDS.rows(catalog)
    ]


def _brought(row: Row) -> str:
    said = count(row["n"], row["what"], PLURALS.get(row["what"], ""))
    names = row["names"] or []
    return f"{said} ({listing(names)})" if row["what"] in NAMED and 0 < len(names) <= 6 else said


def page(builds: list[Build]) -> Page:
    """The change log."""
    values: dict[str, Any] = {"builds": builds, "feed": FEED, "listed": LISTED, "queries": (BUILDS, BROUGHT, MOVES)}
    return Page(PATH, "changes.html", "Change log", values)


def feed(builds: list[Build], facts: Facts) -> bytes:
    """The builds as an Atom feed (RFC 4287), an entry a build; its addresses are relative to the feed's own."""
    ElementTree.register_namespace("", ATOM)
    root = ElementTree.Element(f"{{{ATOM}}}feed")
    _put(root, "title", "Moving Target: which findings still hold")
    _put(root, "id", f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, builds[-1].digest if builds else 'none')}")
    _put(root, "updated", _instant(builds[0].built_at if builds else datetime(1970, 1, 1, tzinfo=UTC)))
    _put(root, "link", rel="alternate", href="index.html")
    _put(root, "link", rel="self", href=FEED)
    _put(_put(root, "author"), "name", "Moving Target")
    _put(root, "generator", "Moving Target", version=str(facts.build["code_version"]))
    for build in builds[:IN_FEED]:
        entry = _put(root, "entry")
        _put(entry, "title", f"Build {build.number}: {build.told}")
        _put(entry, "id", f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, build.digest)}")
        _put(entry, "updated", _instant(build.built_at))
        _put(entry, "link", rel="alternate", href=f"{PATH}#build-{build.number}")
        _put(entry, "content", _content(build), type="text")
        for move in build.moves["change"]:
            _put(entry, "link", rel="related", href=claim_path(move["claim_id"]), title=_clean(move["statement"]))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def told_of_move(move: Row) -> str:
    """`Induction heads exist. Family pythia: holds to mixed (new run)`."""
    subject = LEVELS["across"] if move["level"] == "across" else f"{LEVELS[move['level']]} {move['subject']}"
    previous = f"{LABELS[move['previous']]} to " if move["previous"] else ""
    cause = f" ({move['cause']})" if move["cause"] else ""
    return f"{move['statement']} {subject[:1].upper()}{subject[1:]}: {previous}{LABELS[move['verdict']]}{cause}"


def _content(build: Build) -> str:
    lines = [f"New: {listing(build.brought)}."] if build.brought else []
    for kind in ("change", "drift"):
        lines += [told_of_move(move) for move in build.moves[kind][:LISTED]]
    first = Counter(move["verdict"] for move in build.moves["first"])
    if first:
        said = listing([f"{first[word]} {LABELS[word]}" for word in LABELS if first[word]])
        lines.append(f"Decided for the first time: {said}.")
    return "\n".join(lines) or "Nothing moved."


def _put(parent: ElementTree.Element, tag: str, text: str = "", **attributes: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, f"{{{ATOM}}}{tag}", attributes)
    element.text = _clean(text) or None
    return element


def _clean(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return "".join(character for character in text if character >= " " or character in "\n\t")


def _instant(moment: datetime) -> str:
    """RFC 3339; the catalog's instants are UTC."""
    return moment.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")
