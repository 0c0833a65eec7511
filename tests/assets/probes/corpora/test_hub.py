"""Data sets of a hub on the loopback interface, with the few addresses that huggingface_hub asks for."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote

import polars as pl
import pytest

from assets.probes.battery import battery_of
from assets.probes.corpora import hub
from assets.probes.corpora.hub import fetch, slug
from assets.study import Dataset, Study
from catalog.errors import UserError
from catalog.home import Home
from tests.loopback_hub import point_at

REPOSITORY = "org/Texts"


class FakeHub:
    """Files of one data set by commit, the commit that main is, and what was asked for."""

    def __init__(self) -> None:
        self.commits: dict[str, dict[str, bytes]] = {}
        self.main = ""
        self.asked: list[str] = []

    def add(self, files: dict[str, bytes]) -> str:
        """Adds a commit, which main is from now on, and returns its name."""
        self.main = hashlib.sha1(str(len(self.commits)).encode()).hexdigest()
        self.commits[self.main] = files
        return self.main

    def answer(self, path: str, sent: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers."""
        base, _, rest = unquote(path.split("?")[0]).strip("/").partition(f"{REPOSITORY}/")
        kind, _, rest = rest.partition("/")
        revision, _, name = rest.partition("/")
        if base not in {"api/datasets/", "datasets/"}:
            return 404, b"{}", {"X-Error-Code": "RepoNotFound"}
        commit = self.main if revision == "main" else revision
        if commit not in self.commits:
            return 404, b"{}", {"X-Error-Code": "RevisionNotFound"}
        files = self.commits[commit]
        sizes = [{"type": "file", "path": name, "size": len(each), "oid": name} for name, each in files.items()]
        if kind == "revision":
            siblings = [{"rfilename": name} for name in files]
            return 200, json.dumps({"id": REPOSITORY, "sha": commit, "siblings": siblings}).encode(), {}
        if kind == "tree":
            return 200, json.dumps(sizes).encode(), {}
        if kind == "paths-info":
            wanted = parse_qs(sent)["paths"]
            return 200, json.dumps([each for each in sizes if each["path"] in wanted]).encode(), {}
        etag = hashlib.sha256(files[name]).hexdigest()
        return 200, files[name], {"ETag": f'"{etag}"', "X-Repo-Commit": commit}


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    fake = FakeHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            fake.asked.append(f"{self.command} {self.path}")
            status, body, headers = fake.answer(self.path, sent)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_POST = do_GET  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    point_at(f"http://127.0.0.1:{server.server_port}", monkeypatch)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield fake
    server.shutdown()
    server.server_close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def text(**changes: str) -> Dataset:
    return Dataset(**{"dataset": REPOSITORY, "file": "data/Test set.txt", **changes})


def parquet(**columns: list[object]) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    return buffer.getvalue()


def test_a_text_is_fetched_once_and_named_after_its_file(served: FakeHub, home: Home) -> None:
    commit = served.add({"data/Test set.txt": "Où est\r\nle chat ?\n".encode(), "README.md": b"# Texts"})

    corpus = fetch(text(), home)

    assert corpus.name == "org-texts-data-test-set"
    assert corpus.path.read_bytes() == "Où est\r\nle chat ?\n".encode()
    assert corpus.sha256 == hashlib.sha256("Où est\r\nle chat ?\n".encode()).hexdigest()
    assert corpus.path.stem == commit
    assert home.corpora in corpus.path.parents
    served.asked.clear()
    assert fetch(text(), home) == corpus
    assert served.asked == [f"GET /api/datasets/{REPOSITORY}/revision/main"]


def test_only_text_and_its_commit_are_kept(served: FakeHub, home: Home) -> None:
    served.add({"data/Test set.txt": b"one"})

    fetch(text(), home)

    assert sorted(path.suffix for path in home.corpora.rglob("*") if path.is_file()) == [".json", ".txt"]


def test_rows_of_a_parquet_column_are_lines(served: FakeHub, home: Home) -> None:
    served.add({"train.parquet": parquet(text=["one\n", None, "two"], other=["a", "b", "c"], number=[1, 2, 3])})

    assert fetch(text(file="train.parquet"), home).text() == "one\ntwo"
    assert fetch(text(file="train.parquet", column="other"), home).text() == "a\nb\nc"


def test_a_branch_that_moved_is_another_corpus_and_a_commit_stays(served: FakeHub, home: Home) -> None:
    first = served.add({"data/Test set.txt": b"old"})
    before = fetch(text(), home)
    served.add({"data/Test set.txt": b"new"})

    assert fetch(text(), home).text() == "new"
    assert fetch(text(revision=first), home) == before


def test_out_of_reach_the_last_one_is_found_again(served: FakeHub, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    served.add({"data/Test set.txt": b"old"})
    fetch(text(), home)
    served.add({"data/Test set.txt": b"new"})
    last = fetch(text(), home)

    point_at("http://127.0.0.1:1", monkeypatch)

    assert fetch(text(), home) == last
    with pytest.raises(UserError, match="can't be reached") as told:
        fetch(text(file="other.txt"), home)
    assert "HF_ENDPOINT" in told.value.mend
    assert "other.txt" in told.value.where


def test_a_study_reads_it(served: FakeHub, home: Home) -> None:
    served.add({"data/Test set.txt": b"one two"})
    study = Study.model_validate({"name": "s", "families": [], "probes": [], "corpus": text().model_dump()})

    assert battery_of(study, home).corpus.text() == "one two"


@pytest.mark.parametrize(
    ("changes", "what", "mend"),
    [
        ({"dataset": "org/nothing"}, "no such repository", "Check organisation"),
        ({"revision": "v9"}, "no such revision", "Name a branch"),
        ({"file": "data/none.txt"}, "no file data/none.txt", "train.parquet"),
        ({"file": "train.parquet"}, "no column of text 'text'", "one of: other"),
        ({"file": "train.parquet", "column": "number"}, "no column of text 'number'", "one of: other"),
        ({"file": "broken.parquet"}, "can't be read as Parquet", "another file"),
        ({"file": "latin1.txt"}, "not UTF-8", "text file"),
        ({"file": "large.txt"}, "too large", "smaller file"),
    ],
)
def test_faults_are_told(
    served: FakeHub,
    home: Home,
    changes: dict[str, str],
    what: str,
    mend: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub, "MAXIMUM_BYTES", 2000)
    served.add(
        {
            "train.parquet": parquet(other=["a"], number=[1]),
            "broken.parquet": b"PAR1",
            "latin1.txt": "Où".encode("latin-1"),
            "large.txt": b"a" * 2001,
        }
    )

    with pytest.raises(UserError, match=what) as told:
        fetch(text(**changes), home)

    assert mend in told.value.mend
    assert told.value.where
    assert not list(home.corpora.rglob("*.txt"))
    assert not any("large" in asked for asked in served.asked), "refused before it is fetched"


@pytest.mark.parametrize(
    ("dataset", "file", "name"),
    [
        ("EleutherAI/pile", "val.jsonl.txt", "eleutherai-pile-val.jsonl"),
        ("a/b", "../é.txt", "a-b"),
    ],
)
def test_names_are_ids(dataset: str, file: str, name: str) -> None:
    assert slug(Dataset(dataset=dataset, file=file)) == name
