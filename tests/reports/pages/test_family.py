"""The family pages: the design table with its sources, the top heads."""

from __future__ import annotations

import json

from reports.pages import family
from reports.pages.facts import MODELS


def test_stated_properties_show_their_source(catalog):
    model = {row["model_id"]: row for row in MODELS.rows(catalog)}["pythia-14m"]

    found = family.design([model])

    table = dict(found.rows)
    assert found.sources[:2] == ["https://example.org/card", "the paper"]
    assert table["Parameters"] == [("14.1M", 1)]
    assert table["Layers"] == [("6", 1)]
    assert table["Architecture"] == [("gpt_neox", 2)]
    assert table["Tied embeddings"] == [("no", 2)]
    assert "Width" not in table


def test_other_design_covers_only_what_a_configuration_would_say(catalog):
    model = MODELS.rows(catalog)[0] | {
        "properties": json.dumps({"facts": {"other design": "the paper"}}),
        "licence": "Apache-2.0",
    }

    assert dict(family.design([model]).rows)["Licence"] == [("Apache-2.0", 0)]


def test_a_single_run_lists_several_heads_and_more_runs_one_each(catalog):
    alone = family.top_heads(family.measured(catalog, "smollm2").final)
    several = family.top_heads(family.measured(catalog, "calibration-neox").final)

    assert len(alone.rows) == family.TOP
    assert alone.rows[0] == (
        "smollm2-135m-instruct-q4_1, no. 1",
        ["0.905 (layer 29, head 1)", "0.884 (layer 0, head 2)", "0.416 (layer 0, head 3)"],
    )
    assert [run for run, _ in several.rows] == [f"calibration-neox-2l-seed{i}" for i in range(6)]


def test_what_differs_between_models_stands_first(catalog):
    models = [row for row in MODELS.rows(catalog) if row["family_id"] == "pythia"]

    found = family.design(models)

    labels = [label for label, _ in found.rows]
    assert found.differing == ["Parameters", "Layers", "Query heads per layer"]
    assert labels[:3] == found.differing
    assert {"Architecture", "Licence"} <= set(labels[3:])


def test_one_model_alone_differs_in_nothing(catalog):
    assert family.design(MODELS.rows(catalog)[:1]).differing == []
