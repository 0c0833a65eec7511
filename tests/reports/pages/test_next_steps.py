"""What is worth measuring next follows from what is lacking, and names what waits for it."""

from __future__ import annotations

from dataclasses import replace

import duckdb

from reports.pages import facts
from reports.pages.next_steps import next_steps


def _verdict(found: facts.Facts, level: str, subject: str, claim: str, **changed: object) -> dict[str, object]:
    return {
        **found.verdicts[0],
        "level": level,
        "subject": subject,
        "claim_id": claim,
        "verdict": "insufficient",
    } | changed


def test_a_metric_that_was_never_read_in_a_family_is_worth_the_claims_that_read_it(catalog: duckdb.DuckDBPyConnection):
    found = facts.read(catalog)
    claim = next(row["claim_id"] for row in found.claims if "never_measured" not in row["estimand"])
    changed = [
        {**row, "estimand": '{"kind": "level", "of": {"metric": "never_measured"}}'}
        if row["claim_id"] == claim
        else row
        for row in found.claims
    ]
    lacking = replace(found, claims=changed, verdicts=[_verdict(found, "family", "pythia", claim)])

    steps = next_steps(catalog, lacking)

    assert [(step.what, step.claims) for step in steps if "never_measured" in step.what] == [
        ("measure never_measured in pythia", (claim,))
    ]


def test_models_with_few_runs_and_too_few_families_are_told(catalog: duckdb.DuckDBPyConnection):
    found = facts.read(catalog)
    model = next(run["model_id"] for run in found.runs if run["family_id"] == "smollm2")
    claims = [row["claim_id"] for row in found.claims[:2]]
    verdicts = [_verdict(found, "model", model, claim) for claim in claims]
    verdicts += [_verdict(found, "across", "all", claims[0], n_families=2)]

    steps = {step.what: step.claims for step in next_steps(catalog, replace(found, verdicts=verdicts))}

    assert steps[f"measure 4 more training runs of {model}"] == tuple(sorted(claims))
    assert steps["measure 3 more natural families"] == (claims[0],)


def test_nothing_lacking_gives_no_step(catalog: duckdb.DuckDBPyConnection):
    catalog.execute("CREATE OR REPLACE TEMP TABLE conflicts AS FROM main.conflicts WHERE false")

    assert next_steps(catalog, replace(facts.read(catalog), verdicts=[])) == []

    catalog.execute("DROP TABLE temp.conflicts")
