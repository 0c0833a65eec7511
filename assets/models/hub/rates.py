"""How fast the hub was lately, so that the time of what is still to be fetched can be told beforehand. Torch-free.

A line per fetch is added to weights/hub/rates.jsonl: bytes, seconds. Not here: what is still to be fetched (a source's
`to_fetch`).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from catalog.home import Home

RECENT = 20
"""Fetches that the estimate looks back on."""


def note_fetch(n_bytes: int, seconds: float, home: Home) -> None:
    """Writes down what a fetch took; one write, so that processes do not mix their lines."""
    line = json.dumps({"bytes": n_bytes, "seconds": round(seconds, 3)}) + "\n"
    descriptor = os.open(_path(home), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def bytes_per_second(home: Home) -> float | None:
    """Bytes over seconds of the recent fetches together; None where nothing was fetched yet."""
    if not _path(home).exists():
        return None
    recent = [json.loads(line) for line in _path(home).read_text().splitlines()[-RECENT:]]
    seconds = sum(fetch["seconds"] for fetch in recent)
    return sum(fetch["bytes"] for fetch in recent) / seconds if seconds else None


def seconds_to_fetch(n_bytes: int, home: Home) -> float | None:
    """Seconds that so many bytes would take at the recent rate; None where nothing was fetched yet."""
    rate = bytes_per_second(home)
    return n_bytes / rate if rate else None


def _path(home: Home) -> Path:
    return home.weights / "hub" / "rates.jsonl"
