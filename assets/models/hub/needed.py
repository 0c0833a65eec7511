"""Which files of a repository a checkpoint needs: safetensors as transformers picks them, configuration, tokenizer.

Here: the choice, and the refusal of what has none, with the revision that has them where there is one. Not here:
fetching (cache.py).
"""

from __future__ import annotations

import json
from pathlib import Path

from assets.models.files import TOKENIZER_FILES, refuse_pickles
from assets.models.hub.listing import Files, ListedFile, refs, tree
from catalog.errors import UserError
from catalog.home import Home

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
SMALL = ("config.json", "generation_config.json", INDEX, *TOKENIZER_FILES)
HINTS = 5
"""Pull requests that are looked into, the newest first, for weights that main lacks."""


def small_files(files: Files) -> list[ListedFile]:
    """Configuration and tokenizer files of a commit."""
    return [file for file in files if file.path in SMALL]


def weight_files(files: Files, described: Path, where: str) -> list[ListedFile]:
    """The safetensors files that transformers would read: one, those of the index, or all.

    Args:
        files: of the commit.
        described: the folder that holds the index, if the commit has one.
        where: repository and commit, for messages.

    Raises:
        UserError: there are none, only pickles, or not all that the index names.
    """
    found = {file.path: file for file in files if _is_weights(file.path)}
    if WEIGHTS in found:
        return [found[WEIGHTS]]
    index = described / INDEX
    if not index.exists():
        return list(found.values())
    named = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    missing = [name for name in named if name not in found]
    if missing:
        raise UserError(
            f"The repository lacks {len(missing)} of the {len(named)} files of weights that its index names: "
            f"{missing[0]}.",
            where=where,
            mend="Name another revision, or leave the checkpoint out.",
            lasting=True,
        )
    return [found[name] for name in named]


def check_has_weights(repository: str, files: Files, where: str, home: Home, *, is_main: bool) -> None:
    """Refuses a commit without safetensors before anything of it is fetched.

    Args:
        repository: its name.
        files: of the commit.
        where: repository and commit, for messages.
        home: where listings are remembered.
        is_main: the commit is that of main, to which pull requests add safetensors.

    Raises:
        UserError: there is no safetensors file at the top of the repository.
    """
    names = [file.path for file in files if "/" not in file.path]
    if any(_is_weights(name) for name in names):
        return
    other = _with_safetensors(repository, home) if is_main else None
    try:
        refuse_pickles(names, where)
    except UserError as error:
        error.mend += f" Or name revision {other}, which holds safetensors." if other else ""
        raise
    raise UserError(
        "The repository has no weights at this revision.",
        where=where,
        mend=f"Name revision {other}, which holds safetensors."
        if other
        else "Name a revision with *.safetensors files beside its config.json, or leave the checkpoint out.",
        lasting=True,
    )


def _is_weights(name: str) -> bool:
    return name.endswith(".safetensors") and "/" not in name


def _with_safetensors(repository: str, home: Home) -> str | None:
    """The newest pull request or conversion that holds safetensors."""
    try:
        known = refs(repository, home)
        others = [name for name in known if name.startswith("refs/")]
        for name in sorted(others, key=lambda name: (len(name), name), reverse=True)[:HINTS]:
            if any(_is_weights(file.path) for file in tree(repository, known[name], home)):
                return name
    except UserError:
        return None
    return None
