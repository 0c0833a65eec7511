from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from assets.claims.schema import ADVISORIES, LIBRARY, claim_row, load_advisories, load_claim, load_claims
from assets.study import FAMILIES, load_family
from catalog.errors import UserError

EXPECTED = {
    "prefix-matching-heads-exist",
    "no-induction-in-one-layer",
    "previous-token-before-induction",
    "induction-above-previous-token",
    "larger-earlier-previous-token",
    "larger-steeper-previous-token",
    "larger-higher-previous-token",
    "larger-more-transient-previous-token",
    "trajectories-alike-within-model",
    "same-layer-across-seeds",
    "head-index-is-arbitrary",
}
EFFECT = {"metrics": ["specific_ablation_effect"], "summary": "single", "scale": "value", "minus": None}
EDGE = {"metrics": ["path_effect"], "scale": "value", "minus": None}
AT = {"metrics": ["previous_token"]}
Change = Callable[[dict[str, Any]], object]


def written(folder: Path, change: Change, claim_id: str = "prefix-matching-heads-exist") -> Path:
    """A claim of the library, changed, in a folder."""
    content = yaml.safe_load((LIBRARY / f"{claim_id}.yaml").read_text(encoding="utf-8"))
    change(content)
    path = folder / f"{claim_id}.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_the_library_holds_the_claims_and_every_file_is_valid() -> None:
    claims = load_claims("all")

    assert {claim.id for claim in claims} >= EXPECTED
    assert [claim.id for claim in claims] == sorted(path.stem for path in LIBRARY.glob("*.yaml"))


def test_loads_the_claims_named_in_the_order_of_ids() -> None:
    claims = load_claims(["same-layer-across-seeds", "head-index-is-arbitrary", "same-layer-across-seeds"])

    assert [claim.id for claim in claims] == ["head-index-is-arbitrary", "same-layer-across-seeds"]


def test_an_unknown_claim_names_near_ones() -> None:
    with pytest.raises(UserError, match=r"There is no claim 'prefix-matching-head-exist'") as error:
        load_claims(["prefix-matching-head-exist"])

    assert "prefix-matching-heads-exist" in error.value.mend


def test_a_claim_unlike_any_lists_all() -> None:
    with pytest.raises(UserError) as error:
        load_claims(["zzzzzz"])

    assert "head-index-is-arbitrary" in error.value.mend


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda c: c.update(surprise=1), "surprise: Extra inputs are not permitted"),
        (lambda c: c["estimand"].update(surprise=1), "estimand.level.surprise: Extra inputs are not permitted"),
        (lambda c: c["estimand"]["of"].update(surprise=1), "estimand.level.of.surprise"),
        (lambda c: c["estimand"].update(kind="vibes"), "does not match any of the expected tags"),
        (lambda c: c["estimand"].update(direction="up"), "estimand.level.direction"),
        (lambda c: c.pop("criterion"), "criterion: Field required"),
        (lambda c: c.update(axis="vertical"), "axis:"),
        (lambda c: c.update(version=0), "version:"),
        (lambda c: c.update(levels=[]), "levels is empty"),
        (lambda c: c.update(levels=["run", "galaxy"]), "levels.1"),
        (lambda c: c.update(reference_class="layers > 1"), "'layers' is not a property"),
        (lambda c: c["estimand"]["of"].update(metrics=[]), "estimand.level.of.metrics"),
        (lambda c: c["estimand"]["of"].update(quantity="top_layer", summary="sum_excess"), "is about one head"),
        (lambda c: c["estimand"]["of"].update(quantity="peak", split="halves"), "split: halves is for the best head"),
        (lambda c: c["estimand"]["of"].update(quantity="log10_onset_rate"), "is defined on scale: value"),
        (lambda c: c["estimand"].update(direction="within", threshold=0), "within needs a threshold above 0"),
        (lambda c: c["estimand"]["of"].update(summary="chosen"), "summary: chosen and at:"),
        (lambda c: c["estimand"]["of"].update(at=AT), "summary: chosen and at:"),
        (lambda c: c["estimand"]["of"].update(sender=AT), "sender is of an edge"),
        (lambda c: c["estimand"]["of"].update(summary="chosen", at={**AT, "quantity": "peak"}), "at chooses the best"),
        (lambda c: c["estimand"]["of"].update(given=AT), "given asks nothing without its formed_above"),
        (lambda c: c["estimand"]["of"].update(stratum=["", "a"], quantity="peak"), "are read at the final checkpoint"),
        (lambda c: c["estimand"]["of"].update(stratum=[]), "estimand.level.of.stratum"),
        (lambda c: c["specifications"].pop("split"), "specifications needs 3 dimensions"),
        (lambda c: c["specifications"].update(split={}), "specifications.split names no alternative"),
        (lambda c: c["specifications"].update(mood={}), "specifications.mood"),
        (
            lambda c: c["specifications"]["threshold"].update({"0.31": {"threshold": 0.31}}),
            "0.3 and 0.31 are as good as one value",
        ),
        (
            lambda c: c["specifications"]["definition"].update({"same": {"of": {"scale": "excess"}}}),
            "specifications.definition.same is the claim's own choice",
        ),
    ],
)
def test_refuses_a_faulty_file_naming_the_key(tmp_path: Path, change: Change, told: str) -> None:
    path = written(tmp_path, change)

    with pytest.raises(UserError) as error:
        load_claim(path)

    assert told in error.value.what
    assert str(path) in error.value.where
    assert error.value.mend


@pytest.mark.parametrize(
    ("claim_id", "change", "told"),
    [
        ("larger-earlier-previous-token", lambda c: c.update(levels=["run"]), "where trend is not defined"),
        (
            "larger-earlier-previous-token",
            lambda c: c["estimand"].update(over="attention"),
            "not a design property that",
        ),
        ("head-index-is-arbitrary", lambda c: c.pop("delta"), "delta is missing"),
        ("head-index-is-arbitrary", lambda c: c.update(levels=["model", "run"]), "where agreement is not defined"),
        ("same-layer-across-seeds", lambda c: c["estimand"].update(about="head", tolerance=1), "tolerance is a number"),
        ("circuits-before-sinks", lambda c: c["estimand"]["first"]["of"].update(quantity="peak"), "off the trajectory"),
        ("induction-above-previous-token", lambda c: c["estimand"]["second"].pop("quantity"), "can't be subtracted"),
        (
            "trajectories-alike-within-model",
            lambda c: c["estimand"]["of"].update(given={**AT, "formed_above": 0.3}),
            "similarity is of all heads or checkpoints",
        ),
    ],
)
def test_refuses_impossible_combinations(tmp_path: Path, claim_id: str, change: Change, told: str) -> None:
    path = written(tmp_path, change, claim_id)

    with pytest.raises(UserError) as error:
        load_claim(path)

    assert told in error.value.what


def test_an_unknown_metric_names_the_key_and_near_ones(tmp_path: Path) -> None:
    path = written(tmp_path, lambda c: c["estimand"]["of"].update(metrics=["prefix_match"]))

    with pytest.raises(UserError, match="There is no metric 'prefix_match'") as error:
        load_claim(path)

    assert error.value.where == f"{path}, estimand.of"
    assert "prefix_matching" in error.value.mend


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"metrics": ["repeat_recall"]}, "one value per checkpoint: best_head can't"),
        ({"summary": "single"}, "one value per head: single can't"),
        ({"metrics": ["repeat_gain"], "summary": "single", "minus": None}, "has no excess over chance"),
        ({"minus": "prefix_matching_placebos"}, "There is no metric 'prefix_matching_placebos'"),
        (EFFECT, "one value per set of heads, and none is named"),
        ({**EFFECT, "stratum": ["set=top2%", ""]}, "one value per set of heads, and none is named"),
        ({**EFFECT, "stratum": "set=top1", "summary": "best_head"}, "one value per head_set: best_head can't be made"),
        ({**EDGE, "summary": "best_head"}, "one value per edge: best_head can't be made of them"),
        ({**EDGE, "summary": "chosen", "at": AT}, "one value per edge between two heads"),
        ({**EDGE, "summary": "mean", "minus": "previous_token"}, "one value per edge between two heads"),
        ({"summary": "mean"}, "one value per head: mean can't be made of them"),
        ({"summary": "chosen", "at": AT, "sender": AT}, "one value per head, which has no sender"),
        ({"summary": "chosen", "at": {"metrics": ["previous"]}}, "There is no metric 'previous'"),
        ({"metrics": ["attribution"]}, "has no excess over chance"),
    ],
)
def test_refuses_metrics_that_can_not_be_read_so(tmp_path: Path, changed: dict[str, Any], told: str) -> None:
    path = written(tmp_path, lambda c: (c["estimand"]["of"].update(changed), c.update(specifications={})))

    with pytest.raises(UserError) as error:
        load_claim(path)

    assert told in error.value.what


def test_a_file_is_named_like_its_claim(tmp_path: Path) -> None:
    path = written(tmp_path, lambda c: c.update(id="another"))

    with pytest.raises(UserError, match="holds the claim another"):
        load_claim(path)


def test_alternatives_that_can_not_be_combined_are_refused(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["specifications"]["summary"] = {"sum": {"of": {"summary": "sum_excess"}}}

    with pytest.raises(UserError, match="The alternatives can't be combined"):
        load_claim(written(tmp_path, change))


@pytest.mark.parametrize(
    ("claim_id", "alternative"),
    [
        ("previous-token-before-induction", {"first": {"passes": 0.31}}),
        ("no-induction-in-one-layer", {"parts": {0: {"threshold": 0.101}}}),
    ],
)
def test_thresholds_inside_of_an_estimand_must_differ_too(
    tmp_path: Path, claim_id: str, alternative: dict[str, Any]
) -> None:
    path = written(tmp_path, lambda c: c["specifications"]["threshold"].update(near=alternative), claim_id)

    with pytest.raises(UserError, match="are as good as one value"):
        load_claim(path)


def test_variants_are_every_combination_but_the_claims_own() -> None:
    claim = load_claims(["prefix-matching-heads-exist"])[0]

    variants = claim.variants()

    assert len(variants) == 3 * 3 * 2 - 1
    changed, estimand = variants["definition=raw score+threshold=0.5"]
    assert changed == {"definition": "raw score", "threshold": "0.5"}
    assert (estimand.of.scale, estimand.threshold, estimand.of.minus) == ("value", 0.5, "prefix_matching_placebo")


def test_alternatives_reach_into_the_parts_of_a_conjunction() -> None:
    claim = load_claims(["no-induction-in-one-layer"])[0]

    _, estimand = claim.variants()["threshold=0.2"]

    assert [part.threshold for part in estimand.parts] == [0.2, 0.05]


def test_the_row_has_the_columns_of_the_table_and_ignores_comments(tmp_path: Path) -> None:
    path = LIBRARY / "prefix-matching-heads-exist.yaml"
    commented = tmp_path / path.name
    commented.write_text("# a comment\n" + path.read_text(encoding="utf-8"), encoding="utf-8")

    row, other = claim_row(load_claim(path)), claim_row(load_claim(commented))

    assert row == other
    assert row["claim_id"] == "prefix-matching-heads-exist"
    assert row["estimand"]["kind"] == "level"
    assert row["estimand"]["threshold"] == 0.3
    assert row["data_seen_before"].startswith("family calibration-neox")


def test_any_change_of_content_changes_the_digest(tmp_path: Path) -> None:
    path = written(tmp_path, lambda c: c["estimand"].update(threshold=0.35))

    changed = claim_row(load_claim(path))["file_sha256"]

    assert changed != claim_row(load_claim(LIBRARY / path.name))["file_sha256"]


def test_every_claim_says_what_would_refute_it_and_cites_a_source() -> None:
    for claim in load_claims("all"):
        assert claim.refuted_by.strip().endswith(".")
        assert claim.citation
        assert claim.statement.endswith(".")


def test_advisories_are_valid_and_their_ids_are_their_file_names() -> None:
    advisories = load_advisories()

    assert advisories
    assert [advisory.advisory_id for advisory in advisories] == sorted(path.stem for path in ADVISORIES.glob("*.yaml"))


def test_the_known_faults_are_seeded() -> None:
    """Of instruments in advisories/, of models and checkpoints with their families too."""
    stated = [advisory for path in FAMILIES.glob("*.yaml") for advisory in load_family(path.stem).advisories]
    seeded = {advisory.advisory_id: advisory for advisory in [*load_advisories(), *stated]}

    assert set(seeded) >= {
        "transformerlens-detect-head-options",
        "transformerlens-causal-mask",
        "transformerlens-gemma2-layers",
        "transformers-gemma2-layers",
        "pythia-2.8b-final-content",
        "pythia-6.9b-deduped-early",
        "pythia-410m-no-weights",
        "pythia-410m-outlier-seeds",
        "pythia-step1-is-step0",
        "smollm2-135m-instruct-q4_1-is-not-its-base",
    }
    assert all(advisory.citation for advisory in seeded.values())


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ({"model": ["pythia-70m"], "suspect": True}, "model is none of models, runs"),
        ({"suspect": True}, "about nothing"),
        ({"models": [], "suspect": True}, "not empty"),
        ({"models": "pythia-70m", "suspect": True}, "is a list"),
        ({"models": ["pythia-70m"]}, "suspect is missing"),
    ],
)
def test_an_advisory_that_would_concern_everything_or_nothing_is_refused(
    tmp_path: Path, scope: dict[str, Any], told: str
) -> None:
    content = {"advisory_id": "bad", "scope": scope, "statement": "..."}
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")

    with pytest.raises(UserError, match=told):
        load_advisories(tmp_path)
