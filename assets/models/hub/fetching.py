"""One file from a hub to its place on disk: gone on with where it broke off, and right to the last bit.

Bytes that stand there from an interrupted fetch, of this process or one that was killed, are not asked for again.
huggingface_hub sends the request and goes on after dropped connections; here: after refusals and resets too, from one
process to the next, and the comparison with the listed size and hash. Not here: where files stand (cache.py).
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from assets.models.files import sha256_file
from assets.models.hub.client import TRIES, told_by_hub, wait_s
from assets.models.hub.listing import ListedFile
from catalog.errors import UserError
from catalog.store import told_plainly

Say = Callable[[str], None]


def fetch_file(repository: str, commit: str, file: ListedFile, target: Path, say: Say) -> None:
    """Fetches a file to `target`, which holds nothing, its first bytes, or all of it.

    Raises:
        HubUnreachable: the hub does not answer, or must not be asked.
        UserError: it does not hand out the file, or twice sent another content than it lists; the disk is full.
    """
    where = f"{repository} at {commit}, {file.path}"
    for _ in range(2):
        with told_by_hub(where), told_plainly(target):
            _receive(repository, commit, file, target, where)
        if is_right(target, file):
            with target.open("rb") as written:
                os.fsync(written.fileno())
            return
        target.unlink()
        say(f"{where}: other bytes than the hub lists; deleted")
    raise UserError(
        "The hub sent, twice, other bytes than it lists; they were deleted.",
        where=where,
        mend="Run the same command again later; where HF_ENDPOINT names a mirror, try another.",
    )


def is_right(path: Path, file: ListedFile) -> bool:
    """Whether a file on disk has the listed size and hash."""
    if not path.exists() or path.stat().st_size != file.size:
        return False
    if file.sha256 is not None:
        return sha256_file(path) == file.sha256
    return hashlib.sha1(b"blob %d\0" % file.size + path.read_bytes()).hexdigest() == file.git_oid


def _receive(repository: str, commit: str, file: ListedFile, target: Path, where: str) -> None:
    """Goes on until the listed number of bytes is there, or nothing has come several times in a row."""
    n_idle = 0
    while (have := _size(target)) != file.size or not target.exists():
        if have > file.size:
            target.unlink()
            have = 0
        try:
            _go_on(repository, commit, file.path, target, have)
            wait: int | None = 0
        except Exception as error:
            wait = _wait_s(error, n_idle + 1)
            if wait is None or n_idle + 1 == TRIES:
                raise
        n_idle = 0 if _size(target) > have else n_idle + 1
        if n_idle == TRIES:
            raise UserError(
                f"The hub ends after {have:,} of {file.size:,} bytes.", where=where, mend="Try again later."
            )
        if wait:
            time.sleep(wait)


def _go_on(repository: str, commit: str, name: str, target: Path, have: int) -> None:
    """Asks for what is missing, and writes it as it comes."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    # the client itself leaves the token out where it is redirected to another origin
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    with target.open("ab") as file:
        http_get(
            hf_hub_url(repository, name, revision=commit),
            file,
            resume_size=have,
            headers=headers,
            displayed_filename=name,
        )


def _wait_s(error: Exception, n_tries: int) -> int | None:
    """As client.wait_s, without what http_get has asked again for already, and with bodies that end early."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"TimeoutException", "RemoteProtocolError"}:
        return None
    if isinstance(error, OSError) and error.errno is None and not hasattr(error, "response"):
        return 0  # http_get's word for a body shorter than announced
    return wait_s(error, n_tries)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
