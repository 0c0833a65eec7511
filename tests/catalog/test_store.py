"""One contract, kept by a folder and by fsspec's file systems; and a record on each gives the same catalog."""

from __future__ import annotations

import multiprocessing
import shutil
import uuid
from pathlib import Path

import fsspec
import numpy as np
import pytest
from fsspec.registry import known_implementations

from catalog.build import rebuild
from catalog.errors import UserError
from catalog.home import Home
from catalog.record import Record
from catalog.store import Store, store_of
from tests.catalog.test_build import publish, put_facts, put_probe_run, query

KINDS = ["folder", "memory", "shared"]


def home_of(kind: str, folder: Path, name: str = "home") -> Home:
    """A home whose record stands in a folder, in memory, or on a disk that is reached through fsspec."""
    locations = {
        "folder": str(folder / "record"),
        "memory": f"memory://{folder.name}-{uuid.uuid4().hex}/record",
        "shared": f"dir::file://{folder / 'record'}",
    }
    return Home(folder / name, locations[kind])


@pytest.fixture(params=KINDS)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    return home_of(request.param, tmp_path)


@pytest.fixture
def store(home: Home) -> Store:
    return store_of(home)


def test_what_is_written_is_read(store: Store) -> None:
    assert store.write_new("ledger/models/a.000001.json", b"one")

    assert store.local("ledger/models/a.000001.json").read_bytes() == b"one"
    assert store.exists("ledger/models/a.000001.json")
    assert not store.exists("ledger/models/a.000002.json")
    assert store.usage() == (1, 3)


def test_a_name_that_is_taken_stays_as_it_is(store: Store) -> None:
    store.write_new("ledger/models/a.000001.json", b"one")

    assert not store.write_new("ledger/models/a.000001.json", b"other")
    assert store.local("ledger/models/a.000001.json").read_bytes() == b"one"


def test_only_entries_are_listed_and_folders_by_name(store: Store) -> None:
    for path in ("ledger/models/b.000001.json", "ledger/models/a.000001.json", "ledger/models/.a.part", "ledger/x/y"):
        store.write_new(path, b"{}")

    assert store.names("ledger/models") == ["a.000001.json", "b.000001.json"]
    assert store.folders("ledger") == ["models", "x"]
    assert (store.names("nowhere"), store.folders("nowhere")) == ([], [])


def test_a_missing_file_is_told_by_name(store: Store) -> None:
    with pytest.raises(FileNotFoundError, match=r"models/a\.json"):
        store.local("ledger/models/a.json")


def test_what_another_wrote_meanwhile_is_found_once_a_name_is_refused(home: Home) -> None:
    ours, theirs = store_of(home), store_of(home)
    assert ours.latest("ledger/models", "a") == 0
    theirs.write_new("ledger/models/a.000001.json", b"theirs")

    assert not ours.write_new("ledger/models/a.000001.json", b"ours")
    assert ours.latest("ledger/models", "a") == 1
    assert ours.local("ledger/models/a.000001.json").read_bytes() == b"theirs"


def test_a_record_that_was_begun_anew_is_not_read_from_old_copies(home: Home) -> None:
    store_of(home).write_new("ledger/models/a.000001.json", b"old")
    store_of(home).local("ledger/models/a.000001.json")
    if home.record_is_remote:
        files, root = fsspec.url_to_fs(home.record_location)
        files.rm(root, recursive=True)
    else:
        shutil.rmtree(home.record)
    store_of(home).write_new("ledger/models/a.000001.json", b"new")

    assert store_of(home).local("ledger/models/a.000001.json").read_bytes() == b"new"


def take_names(home: Home, writer: bytes, won: multiprocessing.Queue[int]) -> None:
    store = store_of(home)
    won.put(sum(store.write_new(f"ledger/models/{n}.json", writer * 1000) for n in range(50)))


@pytest.mark.parametrize("kind", ["folder", "shared"])
def test_of_two_processes_one_takes_a_name(kind: str, tmp_path: Path) -> None:
    home, context = home_of(kind, tmp_path), multiprocessing.get_context("spawn")
    won: multiprocessing.Queue[int] = context.Queue()
    processes = [context.Process(target=take_names, args=(home, writer, won)) for writer in (b"a", b"b")]

    for process in processes:
        process.start()
    counts = [won.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(timeout=60)

    assert sum(counts) == 50
    held = [store_of(home).local(f"ledger/models/{n}.json").read_bytes() for n in range(50)]
    assert all(content in {b"a" * 1000, b"b" * 1000} for content in held)


def test_a_remote_ledger_is_listed_once_a_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = home_of("memory", tmp_path)
    put_facts(Record(home))
    record, listed = Record(home), []
    monkeypatch.setattr(
        record.store, "names", lambda folder, names=record.store.names: (listed.append(folder), names(folder))[1]
    )

    put_facts(record)

    assert record.latest("checkpoints", "fam-1-seed0@step10") is not None
    assert sorted(listed) == sorted(set(listed))


def test_a_remote_file_is_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, fetched = home_of("memory", tmp_path), []
    put_facts(Record(home))
    publish(home)
    files, _ = fsspec.url_to_fs(home.record_location)
    fetch = files.cat_file
    monkeypatch.setattr(files, "cat_file", lambda path: (fetched.append(path), fetch(path))[1])

    rebuild(home)
    n_fetched = len(fetched)
    rebuild(home)

    assert len(fetched) == n_fetched == len(set(fetched)) > 0


@pytest.mark.parametrize("kind", ["memory", "shared"])
def test_catalogs_of_equal_records_are_equal(kind: str, tmp_path: Path) -> None:
    homes = [home_of("folder", tmp_path / "here"), home_of(kind, tmp_path / "there")]
    for home in homes:
        to = Record(home)
        put_facts(to)
        put_probe_run(to, 10, 0.8, "k1")
        publish(home)
        put_probe_run(to, 0, 0.2, "k2")
        assert publish(home) == 2

    for sql in ("FROM measurements ORDER BY ALL", "SELECT path, file_sha256, since_build FROM probe_runs ORDER BY ALL"):
        assert query(homes[0], sql) == query(homes[1], sql) != []


def test_another_machine_builds_the_catalog_from_a_shared_record(tmp_path: Path) -> None:
    here = home_of("shared", tmp_path, "here")
    there = Home(tmp_path / "there", here.record_location)
    put_facts(Record(here))
    put_probe_run(Record(here), 10, 0.8, "k1")
    publish(here)

    assert publish(there) == 1

    assert query(there, "SELECT count(*) FROM evidence") == [(2,)]


def test_a_changed_remote_file_is_refused(tmp_path: Path) -> None:
    home = home_of("memory", tmp_path)
    put_facts(Record(home))
    put_probe_run(Record(home), 10, 0.8, "k1")
    files, root = fsspec.url_to_fs(home.record_location)
    files.pipe_file(files.glob(f"{root}/measurements/*")[0], b"changed")

    with pytest.raises(UserError, match="changed after it was written"):
        publish(home)


def test_arrays_come_back_from_a_remote_record(tmp_path: Path) -> None:
    home = home_of("memory", tmp_path)
    put_facts(Record(home))
    row = {"checkpoint_id": "fam-1-seed0@step10", "probe": "representation", "status": "ok", "cache_key": "k"}
    Record(home).put_probe_run(row, None, {"states": np.arange(3.0)})
    entry = Record(home).read("ledger/probe_runs/representation.k.000001.ok.json")["rows"]["probe_runs"][0]

    found = Record(home).arrays(entry["arrays_path"], entry["arrays_sha256"])

    assert found["states"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(("url", "told"), [("s3://bucket/record", "pip install s3fs"), ("s9://bucket", "s9")])
def test_an_unknown_protocol_is_told_with_the_package(
    url: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(known_implementations, "s3", {"class": "none_such.S3", "err": "Install s3fs"})

    with pytest.raises(UserError, match=told):
        Record(Home(tmp_path, url))


def test_a_file_system_that_fails_is_told_in_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = home_of("memory", tmp_path)
    record = Record(home)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(record.store._files, "ls", refuse)  # type: ignore[attr-defined]

    with pytest.raises(UserError, match="PermissionError: Access Denied") as told:
        record.finished()
    assert home.record_location in told.value.where
