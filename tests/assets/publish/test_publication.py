"""A publication compares, decides and publishes once; what a process that died had done is not done again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from assets.claims import recording
from assets.claims.schema import load_advisories, load_claims
from assets.likeness.registry import measures
from assets.probes.plan import plan
from assets.publish import publication
from assets.publish.due import publication_is_due
from assets.publish.publication import publish
from assets.study import Study, load_study
from catalog.home import Home
from catalog.read import open_catalog
from catalog.record import Record
from tests.conftest import Tiny


@pytest.fixture
def study(tiny: Tiny) -> Study:
    return load_study(tiny.study)


@pytest.fixture
def home(tiny: Tiny, tmp_path: Path) -> Home:
    """What the tiny study measured, as if it had never been published."""
    home = Home(tmp_path / "home")
    ours = shutil.ignore_patterns("pair_*", "evaluations", "builds")
    shutil.copytree(tiny.home.record, home.record, ignore=ours)
    return home


def report(home: Home) -> None:
    home.reports.mkdir(exist_ok=True)
    (home.reports / "index.html").touch()


def say(_: str) -> None: ...


def test_a_small_study_has_its_runs_compared(tiny: Tiny, study: Study) -> None:
    with open_catalog(tiny.home) as connection:
        found = connection.execute("SELECT DISTINCT axis, run_a, run_b FROM likeness ORDER BY axis").fetchall()

    assert found == [(axis, *tiny.run_ids) for axis in ("developmental", "functional", "positional", "relational")]
    assert not publication_is_due(tiny.home, study)


def test_nothing_is_compared_twice(home: Home, study: Study) -> None:
    first = publish(home, study, say)
    report(home)
    due = publication_is_due(home, study)
    second = publish(home, study, say)

    assert (first.n_comparisons, first.build, first.decided) == (4, 1, True)
    assert not due
    assert (second.n_comparisons, second.n_likeness, second.build) == (0, first.n_likeness, 1)


def test_what_died_after_comparing_is_taken_up(home: Home, study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(publication, "finish", die)
        with pytest.raises(KeyboardInterrupt):
            publish(home, study, say)

    assert publication_is_due(home, study)
    done = publish(home, study, say)
    report(home)
    assert (done.n_comparisons, done.decided) == (0, False)
    assert done.n_likeness > 0
    assert not publication_is_due(home, study)


def test_a_measure_with_a_new_version_makes_a_publication_due(
    tiny: Tiny, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(measures()["positional"]), "version", 99)

    assert publication_is_due(tiny.home, study)


def test_a_changed_claim_is_decided_again_and_measured_by_nothing(
    home: Home, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish(home, study, say)
    report(home)
    claims = load_claims(study.claims)
    changed = [claims[0].model_copy(update={"version": claims[0].version + 1}), *claims[1:]]
    for module in (publication, recording):
        monkeypatch.setattr(module, "load_claims", lambda _: changed)

    assert publication_is_due(home, study)
    assert [run for run in plan(study, Record(home)) if run.due] == []
    second = publish(home, study, say)
    assert (second.decided, second.n_comparisons, second.build) == (True, 0, first.build + 1)
    report(home)
    assert not publication_is_due(home, study)


def test_a_new_advisory_is_published_and_measured_by_nothing(
    home: Home, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(home, study, say)
    report(home)
    advisories = load_advisories()
    another = advisories[0].model_copy(update={"advisory_id": "another"})
    monkeypatch.setattr(recording, "load_advisories", lambda: [*advisories, another])

    assert publication_is_due(home, study)
    assert [run for run in plan(study, Record(home)) if run.due] == []
    publish(home, study, say)
    with open_catalog(home) as connection:
        assert ("another",) in connection.execute("SELECT advisory_id FROM current_advisories").fetchall()
