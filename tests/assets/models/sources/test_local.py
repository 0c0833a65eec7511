"""Folders on disk as sources: one checkpoint or many, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from assets.models.sources import Pinned
from assets.models.sources.local import SOURCE
from catalog.errors import UserError
from catalog.home import Home
from tests.assets.models.conftest import MakeRuns


def pin(runs_of: MakeRuns, home: Home, place: Path | str, **options: object) -> list[Pinned]:
    (run,) = runs_of({"local": str(place), **options})
    return list(SOURCE.pin(run, SOURCE.plan(run, home), home, print))


@pytest.fixture
def stepped(llama_folder: Path, tmp_path: Path) -> Path:
    """A folder with checkpoints at steps 0, 9 and 10."""
    for step in (9, 0, 10):
        shutil.copytree(llama_folder, tmp_path / "mine" / f"step{step}")
    return tmp_path / "mine"


def test_a_folder_is_one_checkpoint(runs_of: MakeRuns, home: Home, llama_folder: Path) -> None:
    (pinned,) = pin(runs_of, home, llama_folder)

    assert (pinned.planned.label, pinned.planned.step, pinned.planned.is_final) == ("main", None, True)
    assert pinned.folder == llama_folder
    assert pinned.location == llama_folder.name


def test_subfolders_are_checkpoints_in_order_of_steps(runs_of: MakeRuns, home: Home, stepped: Path) -> None:
    pinned = pin(runs_of, home, stepped, tokens_per_step=100)

    assert [(p.planned.label, p.planned.tokens_seen) for p in pinned] == [
        ("step0", 0),
        ("step9", 900),
        ("step10", 1000),
    ]
    assert [p.planned.is_final for p in pinned] == [False, False, True]
    assert [p.location for p in pinned] == ["mine/step0", "mine/step9", "mine/step10"]


def test_the_last_step_stays_final_where_it_is_not_chosen(runs_of: MakeRuns, stepped: Path, home: Home) -> None:
    (run,) = runs_of({"local": str(stepped)}, steps=[0, 9])

    assert [p.is_final for p in SOURCE.plan(run, home)] == [False, False]


def test_each_seed_has_its_folder(runs_of: MakeRuns, llama_folder: Path, tmp_path: Path, home: Home) -> None:
    for seed in (1, 2):
        shutil.copytree(llama_folder, tmp_path / f"seed{seed}")

    runs = runs_of({"local": str(tmp_path / "seed{seed}"), "seeds": [1, 2]})

    assert [run.run_id for run in runs] == ["model-seed1", "model-seed2"]
    assert [SOURCE.plan(run, home)[0].label for run in runs] == ["main", "main"]


@pytest.mark.parametrize("runs", [{"local": "a", "seeds": [1]}, {"local": "a{seed}"}])
def test_seeds_and_their_place_belong_together(runs_of: MakeRuns, runs: dict[str, object]) -> None:
    with pytest.raises(UserError, match="belong together"):
        runs_of(runs)


def test_the_revision_changes_with_the_files(runs_of: MakeRuns, stepped: Path, home: Home) -> None:
    (run,) = runs_of({"local": str(stepped)})
    before = SOURCE.plan(run, home)

    with (stepped / "step9" / "model.safetensors").open("ab") as file:
        file.write(b"x")
    after = SOURCE.plan(run, home)

    assert [b.revision == a.revision for b, a in zip(before, after, strict=True)] == [True, False, True]


def test_a_missing_folder_is_told(runs_of: MakeRuns, tmp_path: Path, home: Home) -> None:
    (run,) = runs_of({"local": str(tmp_path / "nowhere")})

    with pytest.raises(UserError, match="does not exist"):
        SOURCE.plan(run, home)


def test_a_pickle_is_refused(runs_of: MakeRuns, home: Home, stepped: Path) -> None:
    (stepped / "step9" / "model.safetensors").rename(stepped / "step9" / "pytorch_model.bin")

    with pytest.raises(UserError, match="pickle") as told:
        pin(runs_of, home, stepped)
    assert told.value.where.endswith("step9")


def test_a_truncated_file_is_refused(runs_of: MakeRuns, home: Home, stepped: Path) -> None:
    path = stepped / "step0" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])

    with pytest.raises(UserError, match="cut short"):
        pin(runs_of, home, stepped)


def test_a_folder_without_configuration_is_refused(runs_of: MakeRuns, home: Home, stepped: Path) -> None:
    (stepped / "step0" / "config.json").unlink()

    with pytest.raises(UserError, match=r"no config\.json"):
        pin(runs_of, home, stepped)


def test_holding_leaves_the_users_files(runs_of: MakeRuns, home: Home, stepped: Path) -> None:
    (run,) = runs_of({"local": str(stepped)})
    for pinned in pin(runs_of, home, stepped):
        with SOURCE.held(run, pinned, home, print) as folder:
            assert folder == pinned.folder
        assert (pinned.folder / "model.safetensors").exists()
