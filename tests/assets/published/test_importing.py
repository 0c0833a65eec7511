"""From files to rows of the record, and what need not be read again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from assets.claims.recording import put_claims
from assets.publish.publication import publish
from assets.published import ImportedCheckpoint
from assets.published.importing import Imported, import_published, is_imported
from assets.published.trott2025 import Trott2025
from assets.study import Published, Study
from catalog.errors import UserError
from catalog.home import Home
from catalog.read import open_catalog
from catalog.record import Record
from tests.assets.published import test_trott2025, test_trott2025_induction
from tests.assets.published.test_trott2025_induction import lines


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One file of either kind."""
    data = tmp_path / "clone" / "data" / "processed"
    test_trott2025.write(data / "attention_summaries", step=1000, seed=3)
    test_trott2025_induction.write(data / "induction_results", lines(), lines(step=8))
    return tmp_path / "clone"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files read, as they are read."""
    names: list[str] = []
    plain = Trott2025.read

    def counted(self: Trott2025, file: Path) -> Iterator[ImportedCheckpoint]:
        names.append(file.name)
        return plain(self, file)

    monkeypatch.setattr(Trott2025, "read", counted)
    return names


def run(folder: Path, home: Home) -> Imported:
    return import_published(Published(importer="trott2025", path=str(folder)), home, lambda line: None)


def known(folder: Path, home: Home) -> bool:
    return is_imported(Published(importer="trott2025", path=str(folder)), Record(home))


def test_unchanged_files_are_not_read_again(folder: Path, home: Home, read: list[str]) -> None:
    assert not known(folder, home)
    assert not read

    first = run(folder, home)
    assert first == Imported(n_files=2, n_known=0, n_rows=8 + 2 * 5)
    assert len(read) == 2
    assert known(folder, home)

    assert run(folder, home) == Imported(n_files=2, n_known=2, n_rows=0)
    assert len(read) == 2


def test_a_changed_file_is_read_and_what_is_new_in_it_is_added(folder: Path, home: Home, read: list[str]) -> None:
    run(folder, home)
    file = folder / "data/processed/induction_results/induction.csv"
    text = file.read_text()

    file.write_text(text.replace(",0.1,", ",0.2,"))
    assert not known(folder, home)
    assert run(folder, home) == Imported(n_files=2, n_known=1, n_rows=2 * 5)

    file.write_text(text)
    os.utime(file, ns=(1, 1))
    assert not known(folder, home)
    assert run(folder, home) == Imported(n_files=2, n_known=2, n_rows=0)
    assert read[2:] == ["induction.csv", "induction.csv"]


@pytest.mark.parametrize("damage", ["", "[]", '{"x"', '{"a": 1}'])
def test_memory_can_be_lost(folder: Path, home: Home, read: list[str], damage: str) -> None:
    run(folder, home)
    memory = home.imports / "trott2025.json"
    memory.write_text(damage)

    assert not known(folder, home)
    assert run(folder, home) == Imported(n_files=2, n_known=2, n_rows=0)
    assert len(read) == 4
    assert known(folder, home)


def test_what_was_remembered_of_a_home_that_lost_its_record_is_imported_again(folder: Path, home: Home) -> None:
    run(folder, home)
    for entry in (home.ledger / "probe_runs").rglob("*"):
        entry.unlink()

    assert not known(folder, home)
    assert run(folder, home).n_rows == 18


def test_one_bad_file_and_nothing_is_imported(folder: Path, home: Home) -> None:
    bad = folder / "data/processed/induction_results/worse.csv"
    bad.write_text("mpath\n")

    with pytest.raises(UserError, match=r"worse\.csv"):
        run(folder, home)

    assert not Record(home).finished()
    assert not known(folder, home)


def test_a_folder_that_is_not_there_is_left_out(tmp_path: Path, home: Home) -> None:
    assert run(tmp_path / "nowhere", home) == Imported(0, 0, 0)
    assert known(tmp_path / "nowhere", home)


def test_imported_induction_heads_are_decided_by_the_claims_on_measured_ones(tmp_path: Path, home: Home) -> None:
    """The heads of layer 1 score .6 and more: past .3 over chance in every run. There is no placebo."""
    data = tmp_path / "induction_results"
    for seed in range(1, 6):
        test_trott2025_induction.write(data, lines(step=143_000, seed=seed), name=f"{seed}.csv")
    claims = ["prefix-matching-heads-exist", "same-layer-across-seeds"]
    published = [Published(importer="trott2025", path=str(data))]
    study = Study(name="imported", families=[], probes=[], claims=claims, published=published)
    run(data, home)
    put_claims(Record(home), study)

    publish(home, study, lambda line: None)

    with open_catalog(home) as connection:
        decided = connection.sql("""
            SELECT verdict, n_h, robustness, reason FROM current_verdicts
            WHERE claim_id = 'prefix-matching-heads-exist' AND level = 'model' AND subject = 'pythia-14m'
        """).fetchall()
        runs = connection.sql("""
            SELECT DISTINCT provenance, variant_id, reason LIKE '%; no placebo' FROM verdict_runs
            WHERE claim_id = 'prefix-matching-heads-exist' AND level = 'model' AND subject = 'pythia-14m'
        """).fetchall()
    [(verdict, n_h, robustness, reason)] = decided
    assert (verdict, n_h, robustness) == ("holds", 5, "sensitive")
    assert reason.endswith("No placebo in 5 of 5 training runs: the score alone.")
    assert runs == [("published", "prefix_matching.bos-false.input-repeated.m-2.n-50.tokens-all", True)]
