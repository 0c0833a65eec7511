"""A model hub on the loopback interface, for tests with real huggingface_hub: real HTTP, faults where they are planted.

    commit = hub.add("org/tiny", files, revision="step10")   # a branch; tag=True for a tag
    hub.fail("resolve/.*safetensors", status=429, times=1, retry_after=1)
    hub.drop("model.safetensors", after=1000)
    assert hub.bodies("model.safetensors") == 1

Here: the addresses that huggingface_hub asks for (list of models, model, refs, tree, resolve, and a content server of
another origin to which weights are redirected), access by token, planted faults and a log of what was asked. Not here:
data sets, pagination, Xet, commits made over the network. The fixture `hub` also points this process at it; another
process takes `hub.environment()`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import huggingface_hub.constants
import pytest

LFS_NAMES = (".safetensors", ".bin", ".pt", ".gguf", "tokenizer.model")
"""Files that stand in large-file storage, with a sha256 in the tree and a redirect when they are fetched."""
PATIENCE_S = 60
"""How long a held body waits to be let go."""


@dataclass
class Repository:
    """What the hub knows of one repository."""

    name: str
    gated: str | bool = False
    """False, or as the hub says it: auto, manual."""
    private: bool = False
    created_at: str = "2026-01-01T00:00:00.000Z"
    last_modified: str = "2026-01-01T00:00:00.000Z"
    licence: str | None = "apache-2.0"
    readers: set[str] = field(default_factory=set)
    """Tokens that may read it where it is gated or private."""
    refs: dict[str, str] = field(default_factory=dict)
    """Commit by name of branch, tag, or refs/pr/N, refs/convert/NAME."""
    tags: set[str] = field(default_factory=set)
    """Which names are tags."""
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Files by commit."""
    plain: set[str] = field(default_factory=set)
    """Names of files that do not stand in large-file storage, whatever they are called."""

    def commit_of(self, revision: str) -> str | None:
        return self.refs.get(revision, revision if revision in self.commits else None)

    def is_lfs(self, name: str) -> bool:
        return name.endswith(LFS_NAMES) and name not in self.plain


@dataclass(frozen=True)
class Asked:
    """One request, as the log holds it."""

    method: str
    path: str
    query: str = ""
    range: str | None = None
    authorised: bool = False
    """Whether it came with an Authorization header."""
    cdn: bool = False
    """Whether the content server was asked, not the hub."""
    status: int = 0
    sent: int = 0
    """Bytes of the body that were written."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Fault:
    """Something that goes wrong with the next `times` requests whose path has the pattern."""

    pattern: str
    times: int
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    drop_after: int | None = None
    reset: bool = False
    cut_to: int | None = None
    corrupt: bool = False
    held: threading.Event | None = None
    """Waits for this before the rest of the body is sent."""


@dataclass
class Answer:
    """What is sent back."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    is_file: bool = False
    """Whether the body is (part of) a repository's file, which faults of bodies concern."""


class LoopbackHub:
    """Repositories, faults, and the log of what was asked."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.log: list[Asked] = []
        self.address = self.cdn_address = ""
        self.known_tokens: set[str] = set()
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    # What it holds

    def repository(self, name: str, **facts: Any) -> Repository:
        """A repository, made if there is none, with these facts changed: gated, private, readers, created_at, ..."""
        repository = self.repositories.setdefault(name, Repository(name))
        for fact, value in facts.items():
            setattr(repository, fact, value)
        self.known_tokens |= repository.readers
        return repository

    def add(
        self, name: str, files: dict[str, bytes], revision: str = "main", *, tag: bool = False, **facts: Any
    ) -> str:
        """Adds a commit, at which the branch or tag stands from now on, and returns its name."""
        repository = self.repository(name, **facts)
        commit = hashlib.sha1(f"{name} {revision} {len(repository.commits)}".encode()).hexdigest()
        repository.commits[commit] = dict(files)
        repository.refs[revision] = commit
        if tag:
            repository.tags.add(revision)
        return commit

    # What goes wrong

    def fail(
        self, pattern: str, status: int, times: int = 1, *, retry_after: int | None = None, code: str | None = None
    ) -> None:
        """Answers with a status; `code` is the hub's X-Error-Code."""
        headers = {"Retry-After": str(retry_after)} if retry_after is not None else {}
        self._plant(Fault(pattern, times, status, headers | ({"X-Error-Code": code} if code else {})))

    def drop(self, pattern: str, after: int = 0, times: int = 1, *, reset: bool = False) -> None:
        """Closes the connection after so many bytes of a file's body, or resets it."""
        self._plant(Fault(pattern, times, drop_after=after, reset=reset))

    def truncate(self, pattern: str, to: int, times: int = 1) -> None:
        """Sends only the first bytes of a file, as if they were all."""
        self._plant(Fault(pattern, times, cut_to=to))

    def corrupt(self, pattern: str, times: int = 1) -> None:
        """Changes the last byte of a file's body."""
        self._plant(Fault(pattern, times, corrupt=True))

    def hold(self, pattern: str, after: int = 0) -> threading.Event:
        """Sends so many bytes of the next body, then waits until the event is set."""
        fault = Fault(pattern, 1, drop_after=after, held=threading.Event())
        self._plant(fault)
        assert fault.held is not None
        return fault.held

    def _plant(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def _fault(self, path: str, *, in_body: bool) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.times > 0 and (fault.status is None) == in_body and re.search(fault.pattern, path):
                    fault.times -= 1
                    return fault
        return None

    # What was asked

    def asked(self, pattern: str = "") -> list[Asked]:
        """The requests whose "GET /path" has the pattern, in order."""
        with self._lock:
            return [each for each in self.log if re.search(pattern, str(each))]

    def bodies(self, pattern: str) -> int:
        """How often a file's body was sent, whole or in part, leaving out the first bytes that hold a header."""
        return len([a for a in self.asked(pattern) if a.status in {200, 206} and a.method == "GET" and not _peek(a)])

    def recover(self) -> None:
        """Forgets the faults that were planted and did not happen yet."""
        with self._lock:
            self._faults.clear()

    def forget(self) -> None:
        """Empties the log."""
        with self._lock:
            self.log.clear()

    def environment(self, home: Path | None = None) -> dict[str, str]:
        """Variables that point another process at it, with a home for huggingface_hub where no token stands."""
        variables = {"HF_ENDPOINT": self.address, "HF_HUB_DISABLE_TELEMETRY": "1"}
        return variables | ({"HF_HOME": str(home)} if home else {})

    # What it answers

    def answer(self, method: str, target: str, headers: Any, *, cdn: bool) -> Answer:
        split = urlsplit(target)
        path, query = split.path, parse_qs(split.query)
        if fault := self._fault(unquote(path), in_body=False):
            return Answer(fault.status or 500, b'{"error": "planted"}', dict(fault.headers))
        if cdn:
            return self._content(path, headers.get("Range"))
        token = (headers.get("Authorization") or "").removeprefix("Bearer ") or None
        if token is not None and self.known_tokens and token not in self.known_tokens:
            return _refusal(401, "", "Invalid credentials in Authorization header")
        if path == "/api/models":
            return _json([self._info(each, "main") for each in self._listed(query, token)])
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(refs|tree|revision)(?:/([^/]+))?)?", path):
            return self._api(unquote(found[1]), found[2], unquote(found[3] or "main"), query, token)
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self._resolve(unquote(found[1]), unquote(found[2]), unquote(found[3]), headers.get("Range"), token)
        return Answer(404, b"{}")

    def _listed(self, query: dict[str, list[str]], token: str | None) -> list[Repository]:
        author, search = query.get("author", [""])[0], query.get("search", [""])[0].lower()
        limit = int(query.get("limit", ["1000"])[0])
        fitting = [
            each
            for each in self.repositories.values()
            if (not author or each.name.startswith(f"{author}/"))
            and search in each.name.lower()
            and (not each.private or token in each.readers)
        ]
        newest = {"createdAt": "created_at", "lastModified": "last_modified"}.get(query.get("sort", [""])[0])
        if newest:
            fitting.sort(key=lambda each: getattr(each, newest), reverse=True)
        return fitting[:limit]

    def _api(
        self, name: str, kind: str | None, revision: str, query: dict[str, list[str]], token: str | None
    ) -> Answer:
        repository = self.repositories.get(name)
        if repository is None or (repository.private and token not in repository.readers):
            return _no_repository(token)
        if kind == "refs":
            return _json(_refs(repository, with_pull_requests=query.get("include_prs", ["0"])[0] not in {"0", ""}))
        commit = repository.commit_of(revision)
        if commit is None:
            return _refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if kind == "tree":
            recursive = query.get("recursive", ["false"])[0].lower() in {"1", "true"}
            return _json(_tree(repository, commit, recursive=recursive))
        return _json(self._info(repository, revision))

    def _info(self, repository: Repository, revision: str) -> dict[str, Any]:
        commit = repository.commit_of(revision) or next(iter(repository.commits), None)
        return {
            "id": repository.name,
            "modelId": repository.name,
            "author": repository.name.partition("/")[0],
            "sha": commit,
            "createdAt": repository.created_at,
            "lastModified": repository.last_modified,
            "private": repository.private,
            "gated": repository.gated,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": ["transformers", *([f"license:{repository.licence}"] if repository.licence else [])],
            "cardData": {"license": repository.licence} if repository.licence else {},
            "siblings": [{"rfilename": name} for name in repository.commits.get(commit or "", {})],
        }

    def _resolve(self, name: str, revision: str, filename: str, wanted: str | None, token: str | None) -> Answer:
        repository = self.repositories.get(name)
        if repository is None or (repository.private and token not in repository.readers):
            return _no_repository(token)
        if repository.gated and token not in repository.readers:
            return _refusal(401 if token is None else 403, "GatedRepo", f"Access to model {name} is restricted.")
        commit = repository.commit_of(revision)
        if commit is None:
            return _refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        content = repository.commits[commit].get(filename)
        if content is None:
            answer = _refusal(404, "EntryNotFound", "Entry not found")
            answer.headers["X-Repo-Commit"] = commit
            return answer
        if not repository.is_lfs(filename):
            answer = _part(content, wanted)
            answer.headers |= {"ETag": f'"{git_oid(content)}"', "X-Repo-Commit": commit}
            return answer
        sha256 = hashlib.sha256(content).hexdigest()
        return Answer(
            302,
            headers={
                "Location": f"{self.cdn_address}/{name}/{commit}/{quote(filename)}?signature={sha256[:8]}",
                "X-Linked-Size": str(len(content)),
                "X-Linked-ETag": f'"{sha256}"',
                "ETag": f'"{sha256}"',
                "X-Repo-Commit": commit,
            },
        )

    def _content(self, path: str, wanted: str | None) -> Answer:
        organisation, name, commit, filename = path.lstrip("/").split("/", 3)
        return _part(self.repositories[f"{organisation}/{name}"].commits[commit][unquote(filename)], wanted)


def git_oid(content: bytes) -> str:
    """The name that git gives a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _tree(repository: Repository, commit: str, *, recursive: bool) -> list[dict[str, Any]]:
    """Files and folders, as the hub lists them."""
    entries: dict[str, dict[str, Any]] = {}
    for name, content in sorted(repository.commits[commit].items()):
        parts = name.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            entries[folder] = {"type": "directory", "oid": hashlib.sha1(folder.encode()).hexdigest(), "path": folder}
        entry: dict[str, Any] = {"type": "file", "oid": git_oid(content), "size": len(content), "path": name}
        if repository.is_lfs(name):
            pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize {len(content)}\n"
            sha256 = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": len(pointer)}
        entries[name] = entry
    for entry in entries.values():
        entry.setdefault("size", 0)
    return [entry for path, entry in entries.items() if recursive or "/" not in path]


def _refs(repository: Repository, *, with_pull_requests: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"branches": [], "converts": [], "tags": []}
    if with_pull_requests:
        found["pullRequests"] = []
    for name, commit in repository.refs.items():
        if name.startswith("refs/pr/"):
            kind, ref, short = "pullRequests", name, name.removeprefix("refs/pr/")
        elif name.startswith("refs/convert/"):
            kind, ref, short = "converts", name, name.removeprefix("refs/convert/")
        elif name in repository.tags:
            kind, ref, short = "tags", f"refs/tags/{name}", name
        else:
            kind, ref, short = "branches", f"refs/heads/{name}", name
        if kind in found:
            found[kind].append({"name": short, "ref": ref, "targetCommit": commit})
    return found


def _part(content: bytes, wanted: str | None) -> Answer:
    """The bytes that a Range header asks for."""
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted or "")
    if found is None:
        return Answer(200, content, {"Accept-Ranges": "bytes"}, is_file=True)
    start, end = int(found[1]), min(int(found[2] or len(content) - 1), len(content) - 1)
    if start >= len(content):
        return Answer(416, headers={"Content-Range": f"bytes */{len(content)}"})
    range_ = f"bytes {start}-{end}/{len(content)}"
    return Answer(206, content[start : end + 1], {"Content-Range": range_, "Accept-Ranges": "bytes"}, is_file=True)


def _json(content: Any) -> Answer:
    return Answer(200, json.dumps(content).encode(), {"Content-Type": "application/json"})


def _refusal(status: int, code: str, message: str) -> Answer:
    headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
    return Answer(status, json.dumps({"error": message}).encode(), headers)


def _no_repository(token: str | None) -> Answer:
    return _refusal(401 if token is None else 404, "RepoNotFound", "Repository not found")


def _peek(asked: Asked) -> bool:
    return asked.range is not None and asked.range.startswith("bytes=0-") and asked.range != "bytes=0-"


class _Handler(BaseHTTPRequestHandler):
    """Sends what the hub answers, with the faults of bodies."""

    protocol_version = "HTTP/1.1"
    hub: LoopbackHub
    cdn = False

    def do_GET(self) -> None:
        answer = self.hub.answer(self.command, self.path, self.headers, cdn=self.cdn)
        path = unquote(urlsplit(self.path).path)
        fault = self.hub._fault(path, in_body=True) if answer.is_file and self.command == "GET" else None
        body = answer.body
        if fault and fault.cut_to is not None:
            body = body[: fault.cut_to]
        if fault and fault.corrupt:
            body = body[:-1] + bytes([body[-1] ^ 1])
        self._note(path, answer.status, len(body))
        try:
            self._send(answer, body, fault)
        except OSError:  # who asked went away
            self.close_connection = True

    do_HEAD = do_GET  # noqa: N815

    def _send(self, answer: Answer, body: bytes, fault: Fault | None) -> None:
        self.send_response(answer.status)
        for name, value in {"Content-Length": str(len(body)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "GET":
            return
        if fault is None or fault.drop_after is None:
            self.wfile.write(body)
            return
        self.wfile.write(body[: fault.drop_after])
        if fault.held is not None:
            fault.held.wait(PATIENCE_S)
            self.wfile.write(body[fault.drop_after :])
            return
        if fault.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
        self.close_connection = True

    def _note(self, path: str, status: int, sent: int) -> None:
        asked = Asked(
            self.command,
            path,
            urlsplit(self.path).query,
            self.headers.get("Range"),
            "Authorization" in self.headers,
            self.cdn,
            status,
            sent if self.command == "GET" else 0,
        )
        with self.hub._lock:
            self.hub.log.append(asked)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """An empty hub, at which this process is pointed, with nobody logged in."""
    made = LoopbackHub()
    servers = [_serve(made, cdn=False), _serve(made, cdn=True)]
    made.address, made.cdn_address = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    point_at(made.address, monkeypatch)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield made
    for server in servers:
        server.shutdown()
        server.server_close()


def _serve(hub: LoopbackHub, *, cdn: bool) -> ThreadingHTTPServer:
    handler = type("Handler", (_Handler,), {"hub": hub, "cdn": cdn})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


def point_at(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What HF_ENDPOINT, HF_HUB_DISABLE_TELEMETRY and a fresh HF_HOME do before the first import."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", "/nonexistent/token")


def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """What HF_HUB_OFFLINE=1 does before the first import."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
