"""A Ray cluster of two nodes on loopback, with Postgres for Dagster's storage where its binaries are installed."""

from __future__ import annotations

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.end_to_end.conftest import wait_until

HEAD, WORKER = "127.0.0.2", "127.0.0.3"  # Ray rewrites 127.0.0.1
MARK = "MOVING_TARGET_TEST_NODE"
CONFIGURATION = Path(__file__).parents[2] / "pipelines" / "dagster-ray.yaml"
QUICK_TO_NOTICE = {
    "RAY_health_check_initial_delay_ms": "2000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "3",
}


@dataclass
class Node:
    """A node, with all processes that carry its mark in their environment."""

    address: str
    mark: str

    def processes(self, command: str = "") -> list[int]:
        """Ids of its living processes whose command line holds a word."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                marked = f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes().split(b"\0")
                if marked and command.encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
        return found

    def kill(self) -> None:
        """As a power cut does: all at once, and nobody says goodbye."""
        deadline = time.monotonic() + 20
        while (left := self.processes()) and time.monotonic() < deadline:
            for process in left:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.1)


@dataclass
class Cluster:
    """A head and a worker node with one CPU each, and what the command line needs to submit to them."""

    head: Node
    worker: Node
    dagster_home: Path
    environment: dict[str, str] = field(default_factory=dict)


@contextmanager
def cluster(
    folder: Path, environment: dict[str, str], on_worker: dict[str, str] | None = None, n_nodes: int = 2
) -> Iterator[Cluster]:
    """Starts the nodes, or the head alone; all of their processes are gone at the end.

    Args:
        folder: for Dagster's home.
        environment: of both nodes and of whoever submits.
        on_worker: of the worker node alone.
    """
    temporary = tempfile.mkdtemp(prefix="ray")  # paths of Unix sockets are short
    dashboard, port = free_ports(HEAD, 2)
    made = Cluster(Node(HEAD, f"{temporary}-head"), Node(WORKER, f"{temporary}-worker"), folder / "dagster")
    made.dagster_home.mkdir(parents=True)
    with postgres() as variables:
        configuration: dict[str, Any] = yaml.safe_load(CONFIGURATION.read_text())
        if not variables:
            del configuration["storage"]  # SQLite, in Dagster's home
        (made.dagster_home / "dagster.yaml").write_text(yaml.safe_dump(configuration))
        made.environment = {
            **environment,
            **variables,
            "DAGSTER_HOME": str(made.dagster_home),
            "RAY_API_SERVER_ADDRESS": f"http://{HEAD}:{dashboard}",
        }
        shared = {**os.environ, **made.environment, **QUICK_TO_NOTICE, "RAY_USAGE_STATS_ENABLED": "0"}
        try:
            arguments = [f"--port={port}", f"--dashboard-host={HEAD}", f"--dashboard-port={dashboard}"]
            start(made.head, ["--head", f"--temp-dir={temporary}", *arguments], shared)
            if n_nodes == 2:
                start(made.worker, [f"--address={HEAD}:{port}"], {**shared, **(on_worker or {})})
            wait_until(lambda: n_alive(made) == n_nodes, seconds=300)
            yield made
        finally:
            made.worker.kill()
            made.head.kill()
            shutil.rmtree(temporary, ignore_errors=True)


def start(node: Node, arguments: list[str], environment: dict[str, str]) -> None:
    (agent,) = free_ports(node.address, 1)
    subprocess.run(
        [
            *(sys.executable, "-m", "ray.scripts.scripts", "start", *arguments),
            *(f"--node-ip-address={node.address}", "--num-cpus=1", "--object-store-memory=80000000"),
            *(f"--dashboard-agent-listen-port={agent}", "--disable-usage-stats"),
        ],
        env={**environment, MARK: node.mark},
        check=True,
        capture_output=True,
        timeout=300,
    )


def n_alive(cluster: Cluster) -> int:
    """Nodes on which jobs can be submitted."""
    from ray.util.state import list_nodes

    address = cluster.environment["RAY_API_SERVER_ADDRESS"]
    return len(list_nodes(address, filters=[("state", "=", "ALIVE")], raise_on_missing_output=False))


def free_ports(address: str, number: int) -> list[int]:
    """Ports that are free now, outside those that Ray gives to its workers (10002 to 19999)."""
    found: list[int] = []
    for port in random.sample(range(20_000, 32_000), 12_000):  # from 32,768 on the system gives them away
        with socket.socket() as tried, suppress(OSError):
            tried.bind((address, port))
            found.append(port)
        if len(found) == number:
            break
    return found


@contextmanager
def postgres() -> Iterator[dict[str, str]]:
    """A server for Dagster's storage: the variables that dagster-ray.yaml reads; none where no Postgres is
    installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found and not shutil.which("initdb"):
        yield {}
        return
    binaries = found[-1].parent if found else Path(str(shutil.which("initdb"))).parent
    data = tempfile.mkdtemp(prefix="postgres")
    (port,) = free_ports("127.0.0.1", 1)
    user: dict[str, Any] = {"cwd": "/"}
    if os.geteuid() == 0:  # which Postgres refuses
        name = "postgres" if "postgres" in {entry.pw_name for entry in pwd.getpwall()} else "nobody"
        shutil.chown(data, name)
        user |= {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}
    options = f"-h 127.0.0.1 -p {port} -k {data} -F -c shared_buffers=16MB"
    control = [str(binaries / "pg_ctl"), "-D", f"{data}/data", "-w"]
    try:
        initialise = [str(binaries / "initdb"), "-D", f"{data}/data", "-U", "dagster", "-A", "trust", "-N"]
        subprocess.run(initialise, check=True, capture_output=True, timeout=300, **user)
        with Path(os.devnull).open("w") as nowhere:
            subprocess.run([*control, "-o", options, "start"], check=True, stdout=nowhere, timeout=300, **user)
        variables = {
            "USERNAME": "dagster",
            "PASSWORD": "none",
            "HOST": "127.0.0.1",
            "DB": "postgres",
            "PORT": str(port),
        }
        yield {f"DAGSTER_PG_{name}": value for name, value in variables.items()}
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, capture_output=True, timeout=60, **user)
        shutil.rmtree(data, ignore_errors=True)
