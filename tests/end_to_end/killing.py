"""A run over twenty checkpoints that is killed by SIGKILL, at each of its writes or at random moments, and run again.

    python -m tests.end_to_end.killing FOLDER 0 2      the first of two shares of all kills; a line of JSON for each

One process imports what is needed and forks a child for each attempt, so that an attempt costs no imports. Only what
would need torch or draws charts is replaced: loading a model, reading its properties, rendering pages. Everything that
writes is the real code, but for fsync, which a kill is not for. A boundary is a moment just before a file is
made, filled, linked, renamed or removed below the home, or before and after a step of the publication; since nothing is
written between two of them, just before the next is just after the last, and of several with the same files one is
enough. What DuckDB writes from C++ is seen by no hook: the random moments cover it.

Each kill is a real one. After it the next run is followed to the end of the measuring, where its record must equal the
undisturbed run's file for file, or to the end of the publication, where record, catalog and report must. The second
takes seconds, so it is done once for all kills that leave the same kinds of unfinished files and, in the publication,
the same finished ones. Of the others, those in the measuring are followed to its end.
"""

from __future__ import annotations

import functools
import gc
import hashlib
import importlib
import json
import os
import pickle
import random
import re
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from assets.analyses.registry import analyses
from assets.claims import instruments, recording
from assets.claims import schema as claim_schema
from assets.likeness import compare
from assets.likeness.positional import Positional
from assets.likeness.registry import Compared, PairMeasurement, measures
from assets.models import facts, loading
from assets.models.facts import put_run
from assets.models.parts import at_work_on
from assets.models.runs import run_named
from assets.probes.attention import METRICS
from assets.probes.battery import battery_of
from assets.probes.measure import measure
from assets.probes.plan import plan, plan_run, standing
from assets.probes.registry import Measurement, Parameters, Probe, Result, Setting, probes
from assets.publish import publication
from assets.study import Study
from catalog import build
from catalog.home import Home
from catalog.record import Record
from catalog.store import remove_leftovers
from reports import site
from tests.end_to_end.catalogs import APART, Rows, differences, rows_of

N_STEPS = 4
SEEDS = (1, 2, 3, 4, 5)
N_MOMENTS = 50
BLOCK = 8
"""Kills one after the other in one share, so that those that leave the same files meet."""
HEADS = [(layer, head) for layer in range(2) for head in range(2)]
METRIC = "previous_token"
VARIANT: Parameters = {"bos": False, "input": "distinct", "n": 100}
CHANCE = 0.05
CLAIMS = ["same-layer-across-seeds"]
PHASES = ("measuring", "publishing")


# The run


class Numbers(Probe):
    """Scores of heads that follow from the checkpoint's name."""

    name = "numbers"
    metrics = tuple(metric for metric in METRICS if metric.metric_id == METRIC)
    cost = "none"

    def parameters(self, setting: Setting) -> Parameters:
        return {"n": 1}

    def measure(self, model: Any, setting: Setting) -> Result:
        found = [self._score(model.name, *head) for head in HEADS]
        arrays = {"scores": np.array([m.value for m in found])} if model.name.endswith(f"@step{N_STEPS - 1}") else {}
        return Result(found, arrays=arrays)

    def _score(self, name: str, layer: int, head: int) -> Measurement:
        share = int(hashlib.sha256(f"{name} {layer} {head}".encode()).hexdigest()[:4], 16) / 2**16
        value = CHANCE if name.endswith("@step0") else 0.4 + 0.5 * share
        return Measurement(METRIC, VARIANT, value, layer, head, value_a=value, value_b=value, chance=CHANCE, n=8)


@dataclass(frozen=True)
class Named:
    """What stands in the place of a loaded model."""

    name: str
    device: str = "cpu"


class OneMetric(Positional):
    """The comparison of positions, by the first of its metrics."""

    metrics = Positional.metrics[:1]

    def compare(self, compared: Compared) -> Iterable[PairMeasurement]:
        return [found for found in super().compare(compared) if found.metric_id == self.metrics[0].metric_id]


def study_of(folder: Path) -> Study:
    """A study of five training runs with four checkpoints each, whose files it writes into the folder."""
    for seed in SEEDS:
        for step in range(N_STEPS):
            place = folder / f"toy-seed{seed}" / f"step{step}"
            place.mkdir(parents=True)
            save_file({"weight": np.full((2, 2), 100 * seed + step, np.float32)}, place / "model.safetensors")
            (place / "config.json").write_text("{}")
    runs = {"local": f"{folder}/toy-seed{{seed}}", "seeds": list(SEEDS)}
    models = [{"model_id": "toy", "runs": runs}]
    family = {"family_id": "toy", "role": "natural", "description": "A family of the tests.", "models": models}
    return Study.model_validate({"name": "toy", "families": [family], "probes": ["numbers"], "claims": CLAIMS})


def measure_all(study: Study, home: Home) -> None:
    """What job `measure` does, for each training run with something due."""
    record, battery = Record(home), battery_of(study, home)
    for planned in plan(study, record):
        run = run_named(study, planned.run.run_id)
        if planned.due:
            with at_work_on(home, run.run_id, _quiet):
                put_run(study, run.run_id, home, _quiet)
            with at_work_on(home, run.run_id, _quiet):
                due = plan_run(run, battery, record, standing(record)).due
                outcome = measure(run, due, battery, home, _quiet)
            assert not outcome.failed, outcome.failed


def publish_all(study: Study, home: Home) -> None:
    """What job `publish` does."""
    recording.put_study(Record(home), study)
    recording.put_claims(Record(home), study)
    publication.publish(home, study, _quiet)
    site.build(home)


def _quiet(_: str) -> None: ...


def replace_what_needs_torch() -> None:
    """The two functions that do, and the probes; of comparisons and analyses, one that is quick."""
    design = {"n_params": 100, "n_layers": 2, "n_heads": 2, "attention": "softmax", "architecture": "toy"}
    layers = [{"layer": layer, "kind": "full", "n_heads": 2, "n_kv_heads": 2} for layer in range(2)]
    facts.read_properties = lambda folder: (dict(design), [dict(row) for row in layers])  # type: ignore[assignment]
    loading.load = lambda folder, checkpoint_id, **_: Named(checkpoint_id)  # type: ignore[assignment, misc]
    probes()["numbers"] = Numbers()
    _keep_only(measures(), "positional")
    _keep_only(analyses(), "survival")
    measures()["positional"] = OneMetric()
    compare.METRICS = ()  # type: ignore[assignment]
    site.render = _two_pages  # type: ignore[assignment]
    _read_files_once()


def _keep_only(registered: dict[str, Any], name: str) -> None:
    for other in [key for key in registered if key != name]:
        del registered[other]


def _two_pages(catalog: Any) -> dict[str, bytes]:
    verdicts = catalog.execute("SELECT claim_id, level, subject, verdict FROM current_verdicts ORDER BY ALL").fetchall()
    return {"index.html": repr(verdicts).encode(), "claims/all.html": repr(verdicts).encode(), "assets/a.css": b""}


def _read_files_once() -> None:
    """Claims and advisories as they were read by the parent: parsing YAML would be most of an attempt's time."""
    load_claim, advisories = functools.cache(claim_schema.load_claim), recording.load_advisories()[:1]
    for module in (claim_schema, instruments, recording):
        if hasattr(module, "load_claim"):
            module.load_claim = load_claim
    recording.load_advisories = lambda: advisories
    claim_schema.load_claims("all")
    instruments.method_claims()


# Boundaries

HEARD = {"open", "os.rename", "os.link", "os.remove", "os.utime", "shutil.copyfile"}
"""Names of audit events: https://docs.python.org/3/library/audit_events.html"""


@dataclass
class Boundaries:
    """Counts the boundaries that a process passes, and kills it at one of them."""

    root: str
    kill_at: int | None = None
    names: list[str] = field(default_factory=list)
    files: list[frozenset[Any]] | None = None
    """What stood at each boundary, where a list is given for it."""
    filled: str = ""

    def watch(self) -> None:
        """From now on, for good: audit hooks can't be taken away."""
        sys.addaudithook(self._hear)
        os.fsync = lambda _: self.at(f"filled {self.filled}")  # type: ignore[assignment]
        for place, name in (
            (publication, "stage"),
            (publication, "take_in"),
            (publication, "finish"),
            (build, "take_in"),
            (build, "verify"),
            (build, "_note_build"),
        ):
            setattr(place, name, self._around(name, getattr(place, name)))

    def at(self, name: str) -> None:
        if len(self.names) == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.names.append(name)
        if self.files is not None:
            self.files.append(files_of(self.root))

    def unlike(self) -> dict[int, str]:
        """Boundaries that files tell from the one before, by number, each named with those that they do not tell."""
        found: dict[int, str] = {}
        for number, (name, files) in enumerate(zip(self.names, self.files or [], strict=True)):
            if number and files == (self.files or [])[number - 1]:
                found[max(found)] += f", {name}"
            else:
                found[number] = name
        return found

    def _around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            self.at(f"before {name}")
            result = function(*arguments, **named)
            self.at(f"after {name}")
            return result

        return step

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in HEARD:
            return
        if event == "open":
            path, _, flags = arguments
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and self._is_ours(path) and not _is_lock(path):
                self.filled = kind_of(self.root, path)
                self.at(f"open {self.filled}")
        elif event in {"os.rename", "os.link"}:
            if self._is_ours(arguments[1]):
                self.at(f"{event} {kind_of(self.root, arguments[1])}")
        elif event == "os.remove" and arguments[1] != -1:
            self.at(f"{event} within a folder")
        elif self._is_ours(arguments[0]):
            self.at(f"{event} {kind_of(self.root, arguments[0])}")

    def _is_ours(self, path: Any) -> bool:
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self.root)


def files_of(root: str) -> frozenset[Any]:
    """Folders by their paths, and files, but for locks, with size and time of the last change."""
    found: set[Any] = set()
    for place, folders, names in os.walk(root):
        found |= {os.path.join(place, folder) for folder in folders}
        for path in (os.path.join(place, name) for name in names if not _is_lock(name)):
            stated = os.stat(path)
            found.add((path, stated.st_size, stated.st_mtime_ns))
    return frozenset(found)


def _is_lock(path: str | os.PathLike[str]) -> bool:
    """A file that is locked and never written."""
    return os.fspath(path).endswith(".lock")


def kind_of(root: str, path: str | os.PathLike[str]) -> str:
    """A path without what tells one of many files from another: `record/ledger/checkpoints/*.part`."""
    relative = Path(os.path.relpath(path, root))
    if relative.suffix == ".part" and relative.parts[0] == "record":
        return "record/*.part"
    return re.sub(r"[0-9a-f]{32}", "*", f"{relative.parent.as_posix()}/*{relative.suffix}")


# Attempts


def in_child(work: Callable[[], Any], seconds: float | None = None) -> tuple[int, Any]:
    """Runs in a forked process of its own group.

    Args:
        seconds: after which the group is killed, from the moment on that the work began; None = never.

    Returns:
        Its signal (0 = it ended by itself), and what the work returned.
    """
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.close(told)
        _work(work, tell, stay=seconds is not None)
    os.close(tell)
    with os.fdopen(told, "rb") as pipe:
        pipe.read(1)
        if seconds is not None:
            time.sleep(seconds)
            os.killpg(child, signal.SIGKILL)
        content = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise RuntimeError(pickle.loads(content))
    return (os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0), (pickle.loads(content) if content else None)


def _work(work: Callable[[], Any], tell: int, stay: bool) -> None:
    """The child's life; where it is to be killed by a clock, it stays at the end until that happens."""
    status = 0
    with os.fdopen(tell, "wb") as pipe:
        pipe.write(b"+")
        pipe.flush()
        try:
            result = work()
        except BaseException:
            status, result = 1, traceback.format_exc()
        while stay and not status:
            signal.pause()
        pipe.write(pickle.dumps(result))
    os._exit(status)


@dataclass(frozen=True)
class Undisturbed:
    """What a run that nobody killed left: boundaries by their numbers, seconds, record, catalog, report."""

    boundaries: dict[str, dict[int, str]]
    seconds: dict[str, float]
    record: dict[str, str]
    catalog: Rows
    report: dict[str, bytes]


@dataclass
class Killer:
    """Kills runs of a study and has the next ones finish."""

    study: Study
    folder: Path
    undisturbed: Undisturbed = field(init=False)
    _states: set[frozenset[str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.measured = Home(self.folder / "measured")
        self._do = {"measuring": measure_all, "publishing": publish_all}
        in_child(lambda: measure_all(self.study, self.measured))
        self._measured_record = record_of(self.measured)
        self.undisturbed = self._undisturbed()

    def kill_at(self, phase: str, boundary: int) -> list[str]:
        """Faults that the run after a kill at a boundary (by its number) shows."""
        home = self._home(phase)

        def dying() -> None:
            watching = Boundaries(str(home.root), boundary)
            watching.watch()
            self._do[phase](self.study, home)
            watching.at("the end")

        ended_by, _ = in_child(dying)
        finished, unfinished = map(frozenset, state_of(home))
        states = {unfinished} if phase == "measuring" else {unfinished, finished}
        is_new = not states <= self._states
        self._states |= states
        if phase == "publishing" and not is_new:
            return _told_of(ended_by)
        return self._next_run(home, ended_by, full=is_new)

    def kill_after(self, phase: str, share: float, full: bool) -> list[str]:
        """The same after a share of the phase's time."""
        home = self._home(phase)
        seconds = share * self.undisturbed.seconds[phase]
        return self._next_run(home, in_child(lambda: self._do[phase](self.study, home), seconds)[0], full)

    def _next_run(self, home: Home, ended_by: int, full: bool) -> list[str]:
        def again() -> list[str]:
            measure_all(self.study, home)
            return (self._published(home) if full else []) + self._unlike(home, full)

        _, faults = in_child(again)
        return [*faults, *_told_of(ended_by)]

    def _published(self, home: Home) -> list[str]:
        publish_all(self.study, home)
        told = differences(rows_of(home.catalog), self.undisturbed.catalog)
        if pages_of(home) != self.undisturbed.report:
            told.append("the report is another")
        told += [f"left over: {path}" for path in leftovers(home, home.root) if "record" not in path.parts]
        return told

    def _unlike(self, home: Home, full: bool) -> list[str]:
        """Where the record is not as the undisturbed run left it, published or not."""
        for part in leftovers(home, home.record):
            os.utime(part, (0, 0))
        remove_leftovers(home.record)
        expected = self.undisturbed.record if full else self._measured_record
        found = record_of(home)
        told = [f"left over: {path}" for path in leftovers(home, home.record)]
        told += [f"in the record, not expected: {path}" for path in found.keys() - expected.keys()]
        told += [f"not in the record: {path}" for path in expected.keys() - found.keys()]
        return told + [f"changed: {path}" for path in found.keys() & expected.keys() if found[path] != expected[path]]

    def _home(self, phase: str) -> Home:
        home = Home(self.folder / "home")
        shutil.rmtree(home.root, ignore_errors=True)
        if phase == "publishing":
            shutil.copytree(self.measured.root, home.root)
        return home

    def _undisturbed(self) -> Undisturbed:
        boundaries, seconds = {}, {}
        for phase in PHASES:
            home = self._home(phase)

            def timed(phase: str = phase, home: Home = home) -> float:
                started = time.monotonic()
                self._do[phase](self.study, home)
                return time.monotonic() - started

            def watched(phase: str = phase, home: Home = home) -> dict[int, str]:
                watching = Boundaries(str(home.root), files=[])
                watching.watch()
                self._do[phase](self.study, home)
                watching.at("the end")
                return watching.unlike()

            _, seconds[phase] = in_child(timed)
            home = self._home(phase)
            _, boundaries[phase] = in_child(watched)
        _, (catalog, pages) = in_child(lambda: (rows_of(home.catalog), pages_of(home)))
        return Undisturbed(boundaries, seconds, record_of(home), catalog, pages)


def record_of(home: Home) -> dict[str, str]:
    """The record's files by path, without what differs from run to run: entries without clocks, other files' sha256.

    The names of evaluations hold a clock; they are numbered.
    """
    found: dict[str, str] = {}
    for path in sorted(home.record.rglob("*")):
        if path.is_file() and not path.name.endswith(".part"):
            name = path.relative_to(home.record).as_posix()
            if name.startswith("evaluations/"):
                name = f"evaluations/{sum(other.startswith('evaluations/') for other in found)}"
            found[name] = _content(path)
    return found


def _content(path: Path) -> str:
    content = path.read_bytes()
    if path.suffix != ".json":
        return hashlib.sha256(content).hexdigest()
    return json.dumps(_timeless(json.loads(content)), sort_keys=True)


def _timeless(content: Any) -> Any:
    if isinstance(content, dict):
        kept = {key: _timeless(value) for key, value in content.items() if key not in APART}
        if "entries" in kept:  # of a build: their sha256 are over clocks, and evaluations are named by one
            kept["entries"] = [path for path, _ in kept["entries"] if not path.startswith("evaluations/")]
        return {key: None if key == "key" and content.get("kind") == "evaluations" else kept[key] for key in kept}
    return [_timeless(item) for item in content] if isinstance(content, list) else content


def pages_of(home: Home) -> dict[str, bytes]:
    return {
        str(path.relative_to(home.reports)): path.read_bytes() for path in home.reports.rglob("*") if path.is_file()
    }


def state_of(home: Home) -> tuple[list[str], list[str]]:
    """Finished files (evaluations, whose names hold a clock, by their kind), and the kinds of unfinished ones."""
    finished, unfinished = [], []
    for path in (path for path in home.root.rglob("*") if path.is_file()):
        kind, name = kind_of(str(home.root), path), path.relative_to(home.root).as_posix()
        if name.startswith("staging/") or ".part" in name:
            unfinished.append(kind)
        else:
            finished.append(kind if name.startswith("record/evaluations/") else name)
    return finished, unfinished


def _told_of(ended_by: int) -> list[str]:
    return [] if ended_by == signal.SIGKILL else [f"ended by signal {ended_by}"]


def leftovers(home: Home, below: Path) -> list[Path]:
    """What a finished run leaves nothing of: files being written, and staged catalogs."""
    staged = list(home.staging.rglob("*")) if below == home.root else []
    return [*below.rglob("*.part"), *staged]


# All of it


def kills(killer: Killer) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """Every kill by what it is, in an order that is the same in each process."""
    for phase in PHASES:
        for number, name in killer.undisturbed.boundaries[phase].items():
            yield f"{phase}, boundary {number}: {name}", functools.partial(killer.kill_at, phase, number)
    moments = random.Random(5)
    for number in range(N_MOMENTS):
        phase, share = PHASES[number % 10 == 0], moments.random()
        full = phase == "publishing" or number % 10 == 1
        yield f"{phase}, after {share:.0%} of its time", functools.partial(killer.kill_after, phase, share, full)


def main(folder: Path, share: int, n_shares: int) -> None:
    """Does every n-th kill."""
    replace_what_needs_torch()
    study = study_of(folder / "checkpoints")
    _, names = in_child(lambda: _modules_after(study, Home(folder / "first")))
    for name in names:
        importlib.import_module(name)
    gc.freeze()
    killer = Killer(study, folder)
    for number, (what, kill) in enumerate(kills(killer)):
        if number // BLOCK % n_shares == share:
            print(json.dumps({"kill": what, "faults": kill()}), flush=True)


def _modules_after(study: Study, home: Home) -> list[str]:
    """What a run imports late, so that the parent can do it for all children."""
    before = set(sys.modules)
    measure_all(study, home)
    publish_all(study, home)
    return [name for name in sys.modules if name not in before]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
