from __future__ import annotations

from pathlib import Path

from assets.models.audit.holdings import File, Revision, holding
from assets.models.files import sha256_file, sha256_files

REVISION = Revision("step7", 7, "c" * 40)


def test_hashes_are_those_of_the_same_files_on_disk(tmp_path: Path) -> None:
    names = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    paths = [tmp_path / name for name in names]
    for path in paths:
        path.write_bytes(path.name.encode())
    files = {path.name: File(path.stat().st_size, sha256_file(path)) for path in reversed(paths)}

    both, one = holding("run", REVISION, files), holding("run", REVISION, {names[0]: files[names[0]]})

    assert both.weights_sha256 == sha256_files(paths)
    assert both.bytes == sum(path.stat().st_size for path in paths)
    assert one.weights_sha256 == sha256_files(paths[:1])
    assert one.checkpoint_id == "run@step7"


def test_weights_in_folders_and_pickles_are_none_of_the_checkpoints_own() -> None:
    files = {name: File(10, "a" * 64) for name in ("config.json", "onnx/model.safetensors", "pytorch_model.bin")}

    held = holding("run", REVISION, files)

    assert (held.weights_sha256, held.bytes, held.pickle) == (None, 0, "pytorch_model.bin")
