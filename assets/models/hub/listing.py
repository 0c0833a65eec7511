"""What a hub lists of its repositories: refs (branches, tags) and the files of a commit. No file is fetched.

    refs(repository, home)            # {"main": commit, "step1000": commit, "refs/pr/2": commit}
    tree(repository, commit, home)    # (ListedFile(path, size, sha256, git_oid), ...)
    refs_of / trees_of                # of many at once, each an answer or the UserError that it met

Answers are remembered in the home. A commit's files never change and are asked for once; refs are asked for each time,
and remembered for HF_HUB_OFFLINE. Torch-free. Not here: which refs are checkpoints (revisions.py).
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from assets.models.hub.client import HubUnreachable, is_offline, patiently, told_by_hub
from catalog.errors import UserError
from catalog.home import Home
from catalog.store import told_plainly

Key = TypeVar("Key")
Found = TypeVar("Found")

Files = tuple["ListedFile", ...]

AT_ONCE = 8
"""Requests at a time."""
TIMEOUT_S = 30


@dataclass(frozen=True)
class ListedFile:
    """A file of a commit, as the hub lists it."""

    path: str
    size: int
    """Bytes, of the file itself where it stands in large-file storage."""
    sha256: str | None
    """Of the content; None where the file stands in git, which knows only its own name for it."""
    git_oid: str
    """Git's name: of the content, or of the pointer to it."""


def folder_of(repository: str, home: Home) -> Path:
    """Where everything of a repository is kept."""
    return home.weights / "hub" / repository.replace("/", "--")


def refs(repository: str, home: Home) -> dict[str, str]:
    """Commit by name: branches and tags by their own, others as refs/pr/2.

    With HF_HUB_OFFLINE what was answered last.

    Raises:
        HubUnreachable: it does not answer, or must not be asked and was not asked before.
        UserError: the repository is not there, or not for us.
    """
    memory = folder_of(repository, home) / "refs.json"
    if is_offline():
        return _remembered(memory, f"{repository}: its branches and tags")
    with told_by_hub(repository):
        found = patiently(lambda: ask_refs(repository))
    _remember(memory, found)
    return found


def tree(repository: str, commit: str, home: Home) -> Files:
    """Every file of a commit, by path; asked for once.

    Raises:
        HubUnreachable: it does not answer, or must not be asked and was not asked before.
        UserError: the repository or the commit is not there, or not for us.
    """
    memory = folder_of(repository, home) / "trees" / f"{commit}.json"
    where = f"{repository} at {commit}"
    if is_offline() or memory.exists():
        return tuple(ListedFile(**row) for row in _remembered(memory, f"{where}: its files"))
    with told_by_hub(where):
        found = patiently(lambda: _ask_tree(repository, commit))
    _remember(memory, [asdict(file) for file in found])
    return found


def known_tree(repository: str, commit: str, home: Home) -> Files | None:
    """The files of a commit if they were asked for before; no request."""
    memory = folder_of(repository, home) / "trees" / f"{commit}.json"
    return tuple(ListedFile(**row) for row in json.loads(memory.read_text())) if memory.exists() else None


def refs_of(repositories: Iterable[str], home: Home) -> dict[str, dict[str, str] | UserError]:
    """`refs` of many repositories at once."""
    return _each(lambda repository: refs(repository, home), repositories)


def trees_of(commits: Iterable[tuple[str, str]], home: Home) -> dict[tuple[str, str], Files | UserError]:
    """`tree` of many (repository, commit) at once."""
    return _each(lambda key: tree(*key, home), commits)


def _each(ask: Callable[[Key], Found], keys: Iterable[Key]) -> dict[Key, Found | UserError]:
    def answer(key: Key) -> Found | UserError:
        try:
            return ask(key)
        except UserError as error:
            return error

    wanted = list(dict.fromkeys(keys))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(wanted, pool.map(answer, wanted), strict=True))


def ask_refs(repository: str) -> dict[str, str]:
    """Refs as `refs` gives them, by one request that is not tried again."""
    answer, _ = _get(f"{_models()}/{repository}/refs?include_prs=1")
    found = {row["ref"]: row["targetCommit"] for kind in ("pullRequests", "converts") for row in answer.get(kind) or []}
    return found | {row["name"]: row["targetCommit"] for kind in ("tags", "branches") for row in answer[kind]}


def _ask_tree(repository: str, commit: str) -> Files:
    found: list[ListedFile] = []
    page: str | None = f"{_models()}/{repository}/tree/{commit}?recursive=true"
    while page is not None:
        rows, page = _get(page)
        for row in rows:
            if row["type"] == "file":
                stored = row.get("lfs") or {}
                size = stored.get("size", row["size"])
                found.append(ListedFile(row["path"], size, stored.get("oid"), row["oid"]))
    return tuple(sorted(found, key=lambda file: file.path))


def _models() -> str:
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/api/models"


def _get(address: str) -> tuple[Any, str | None]:
    """An answer, and the address of its next page. HfApi's own methods for refs and trees wait without end for a hub
    that does not answer, and half a minute for one that no connection reaches."""
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    response = get_session().get(address, headers=build_hf_headers(), timeout=TIMEOUT_S)
    hf_raise_for_status(response)
    return response.json(), response.links.get("next", {}).get("url")


def _remembered(memory: Path, what: str) -> Any:
    if not memory.exists():
        raise HubUnreachable(
            f"Not in the cache, and HF_HUB_OFFLINE forbids to ask the hub: {what}.",
            where=what.partition(":")[0],
            mend="Unset HF_HUB_OFFLINE where there is a network, and run the same command again.",
        )
    return json.loads(memory.read_text(encoding="utf-8"))


def _remember(memory: Path, content: Any) -> None:
    """Aside and renamed, so that a file that stands there is whole."""
    with told_plainly(memory):
        memory.parent.mkdir(parents=True, exist_ok=True)
        aside = memory.with_name(f".{memory.name}.{uuid.uuid4().hex}.part")
        aside.write_text(json.dumps(content, indent=1), encoding="utf-8")
        os.replace(aside, memory)
