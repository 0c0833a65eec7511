"""Checkpoint folders: hashes that anybody can check, damaged and refused files, whole folders or none."""

from __future__ import annotations

import errno
import hashlib
import json
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import save_file

from assets.models import files
from catalog.errors import UserError


def write_weights(path: Path, n: int = 8) -> Path:
    save_file({"weight": np.arange(n, dtype=np.float32)}, path)
    return path


def test_one_weight_file_has_its_own_sha256(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "model.safetensors")

    assert files.sha256_files([path]) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_several_files_hash_as_sha256sum_lists_them_in_any_order(tmp_path: Path) -> None:
    b, a = write_weights(tmp_path / "b.safetensors", 2), write_weights(tmp_path / "a.safetensors", 3)
    listing = "".join(f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in (a, b))

    assert files.sha256_files([b, a]) == files.sha256_files([a, b]) == hashlib.sha256(listing.encode()).hexdigest()


def test_the_configurations_hash_ignores_who_wrote_it_and_nothing_else(tmp_path: Path) -> None:
    def digest(**changes: object) -> str:
        content = {"model_type": "llama", "hidden_size": 8, "transformers_version": "5.0"} | changes
        (tmp_path / "config.json").write_text(json.dumps(content))
        return files.config_sha256(tmp_path)

    assert digest(transformers_version="5.23", _name_or_path="/elsewhere") == digest()
    assert digest(hidden_size=9) != digest()


def test_the_tokenizers_hash_changes_with_any_of_its_files(tmp_path: Path) -> None:
    assert files.tokenizer_sha256(tmp_path) is None
    (tmp_path / "tokenizer.json").write_text("{}")
    alone = files.tokenizer_sha256(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("{}")

    assert alone is not None
    assert files.tokenizer_sha256(tmp_path) not in (None, alone)


@pytest.mark.parametrize("keep", [0, 4, 30, -1])
def test_a_truncated_file_is_refused_in_one_message(tmp_path: Path, keep: int) -> None:
    path = write_weights(tmp_path / "model.safetensors")
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(UserError, match="cut short or damaged") as told:
        files.weight_files(tmp_path)
    assert str(path) in told.value.where
    assert "again" in told.value.mend


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pkl", "last.ckpt"])
def test_a_pickle_is_refused_unopened(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not even a pickle")

    with pytest.raises(UserError, match="pickle") as told:
        files.weight_files(tmp_path)
    assert "safetensors" in told.value.mend


def test_a_pickle_beside_safetensors_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    path = write_weights(tmp_path / "model.safetensors")

    assert files.weight_files(tmp_path) == [path]


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no weights"):
        files.weight_files(tmp_path)


def test_precision_is_that_of_most_parameters(tmp_path: Path) -> None:
    save_file({"a": np.zeros(9, dtype=np.float16), "b": np.zeros(8, dtype=np.float32)}, tmp_path / "m.safetensors")

    assert files.precision([tmp_path / "m.safetensors"]) == "float16"


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    final = tmp_path / "made" / "step0"

    with files.folder_aside(final, needed=1) as aside:
        (aside / "a").write_text("1")
        assert not final.exists()

    assert [path.name for path in final.iterdir()] == ["a"]
    assert [path.name for path in final.parent.iterdir()] == ["step0"]


def test_a_failure_leaves_nothing_half_written(tmp_path: Path) -> None:
    def fail() -> None:
        with files.folder_aside(tmp_path / "step0", needed=1) as aside:
            (aside / "a").write_text("1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_who_finishes_second_keeps_the_firsts_folder(tmp_path: Path) -> None:
    final = tmp_path / "step0"

    with files.folder_aside(final, needed=1) as aside:
        (aside / "a").write_text("second")
        final.mkdir()
        (final / "a").write_text("first")

    assert (final / "a").read_text() == "first"
    assert list(tmp_path.iterdir()) == [final]


def test_too_little_space_is_told_before_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")(10**9, 10**9 - 10**6, 10**6)
    monkeypatch.setattr("assets.models.files.shutil.disk_usage", lambda path: usage)

    with (
        pytest.raises(UserError, match=r"5\.0 MB are needed, 1\.0 MB are free") as told,
        files.folder_aside(tmp_path / "step0", needed=5 * 10**6),
    ):
        pytest.fail("nothing may be written")
    assert "MOVING_TARGET_HOME" in told.value.mend
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "fault",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        # as safetensors 0.8 words it, seen with a limited file size
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_disk_that_fills_while_it_is_written_to_is_told(tmp_path: Path, fault: Exception) -> None:
    def write() -> None:
        with files.folder_aside(tmp_path / "step0", needed=1) as aside:
            (aside / "a").write_text("1")
            raise fault

    with pytest.raises(UserError, match="disk is full"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_killed_processes_go_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / ".step0.abc.part").mkdir()
    (tmp_path / "step0").mkdir()

    files.remove_leftovers(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["step0"]
