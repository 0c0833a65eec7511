"""Checkpoint folders on disk: what may be in them, their sha256, and writing one whole or not at all.

A checkpoint is a folder in Hugging Face layout: config.json, *.safetensors and, if the model has one, tokenizer files.
Here: checks and hashes that need no torch. Not here: what the configuration says (properties.py), loading (loading.py).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from catalog.errors import UserError
from catalog.record import canonical_json, sha256_of
from catalog.store import told_plainly

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
)
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
PRECISIONS = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}
_OF_THE_WRITER = ("transformers_version", "_name_or_path")
"""Keys of config.json that tell who wrote it, not what the model is."""


def weight_files(folder: Path) -> list[Path]:
    """The folder's safetensors files, by name, each with a header that fits the file's size.

    Raises:
        UserError: there are none, only pickles, or a file is cut short.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        refuse_pickles([path.name for path in folder.iterdir()] if folder.is_dir() else [], str(folder))
        raise UserError(
            "The folder holds no weights.",
            where=str(folder),
            mend="Name a folder with config.json and *.safetensors files, as save_pretrained writes them.",
            lasting=True,
        )
    for path in files:
        check_safetensors(path)
    return files


def refuse_pickles(names: Iterable[str], where: str) -> None:
    """Weights are data: a pickle can run any code when it is read.

    Raises:
        UserError: there are pickles, and no safetensors beside them.
    """
    names = list(names)
    pickles = sorted(name for name in names if name.endswith(PICKLES))
    if pickles and not any(name.endswith(".safetensors") for name in names):
        raise UserError(
            f"The weights are a pickle ({pickles[0]}), which can run any code when it is read, and are refused.",
            where=where,
            mend="Where you trust the file, load it in a place of your own and save it again with "
            "model.save_pretrained(folder), which writes safetensors.",
            lasting=True,
        )


def check_safetensors(path: Path) -> None:
    """Reads a file's header and compares it with the file's size.

    Raises:
        UserError: the file is cut short, or is no safetensors file.
    """
    try:
        with safe_open(path, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"The safetensors file is cut short or damaged: {error}.",
            where=f"{path} ({path.stat().st_size:,} bytes)" if path.exists() else str(path),
            mend="Copy or download it again.",
            lasting=isinstance(error, SafetensorError),
        ) from None


def shapes(files: Iterable[Path]) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and dtype (safetensors' code: F32, BF16) of every tensor, by name, from the headers alone."""
    found: dict[str, tuple[tuple[int, ...], str]] = {}
    for path in files:
        with safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118 - safe_open is no mapping
                part = file.get_slice(name)
                found[name] = (tuple(part.get_shape()), part.get_dtype())
    return found


def precision(files: Iterable[Path]) -> str:
    """The dtype that most parameters are stored in: float32, bfloat16."""
    sizes: dict[str, int] = {}
    for shape, dtype in shapes(files).values():
        count = 1
        for length in shape:
            count *= length
        sizes[dtype] = sizes.get(dtype, 0) + count
    return precision_named(sizes)


def precision_named(sizes: Mapping[str, int]) -> str:
    """The dtype that most parameters have, of numbers of parameters by safetensors' code."""
    most = max(sizes, key=lambda dtype: sizes[dtype])
    return PRECISIONS.get(most, most.lower())


def sha256_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_files(files: Iterable[Path]) -> str:
    """Of one file, its sha256; of several, the sha256 of the lines that `sha256sum *` prints for them, by name."""
    return sha256_of_digests({path.name: sha256_file(path) for path in files})


def sha256_of_digests(digests: Mapping[str, str]) -> str:
    """What `sha256_files` gives for files of these sha256, by name."""
    if len(digests) == 1:
        return next(iter(digests.values()))
    return sha256_of("".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode())


def read_config(folder: Path) -> dict[str, Any]:
    """The content of config.json.

    Raises:
        UserError: it is missing or is not JSON.
    """
    path = folder / "config.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            "The folder holds no config.json.",
            where=str(folder),
            mend="Copy it from where the weights came.",
            lasting=True,
        ) from None
    except ValueError as error:
        raise UserError(
            f"The configuration is not JSON: {error}.",
            where=str(path),
            mend="Copy it again from its origin.",
            lasting=True,
        ) from None


def config_sha256(folder: Path) -> str:
    """sha256 of the configuration as canonical JSON, without what only tells who wrote it."""
    config = {key: value for key, value in read_config(folder).items() if key not in _OF_THE_WRITER}
    return sha256_of(canonical_json(config).encode())


def tokenizer_sha256(folder: Path) -> str | None:
    """sha256 over the tokenizer files; None where there are none."""
    files = [folder / name for name in TOKENIZER_FILES if (folder / name).exists()]
    return sha256_files(files) if files else None


@contextmanager
def folder_aside(final: Path, needed: int) -> Iterator[Path]:
    """A new folder to write into, which becomes `final` at the end of the block, or is removed if the block fails.

    Where `final` stands already at the end, another process finished first: its folder is kept.

    Args:
        final: where the folder is to stand.
        needed: bytes that will be written, about.

    Raises:
        UserError: the disk is full or can't be written to.
    """
    aside = final.with_name(f".{final.name}.{uuid.uuid4().hex}.part")
    try:
        with told_plainly(final):
            aside.mkdir(parents=True)
            _need_space(aside, final, needed)
            try:
                yield aside
            except SafetensorError as error:
                if f"os error {errno.ENOSPC}" in str(error):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
                raise
            try:
                aside.rename(final)
            except OSError as error:
                if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                    raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _need_space(folder: Path, final: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"The disk is full: {megabytes(needed)} are needed, {megabytes(free)} are free.",
            where=str(final),
            mend="Free some space (`status --disk` shows what is held), or let MOVING_TARGET_HOME name a folder on "
            "another disk, and run the same command again: only what is not finished is done.",
        )


def remove_leftovers(folder: Path) -> None:
    """Removes what a killed process left of `folder_aside` below this folder; only where nobody else writes there."""
    for part in folder.glob(".*.part"):
        shutil.rmtree(part, ignore_errors=True)


def megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
