"""Fetched weights on disk: once, whole, under the budget, and never taken from who uses them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from assets.models.hub import cache
from assets.models.hub.cache import Place, budget_bytes, held, is_there, used_bytes
from assets.models.hub.listing import ListedFile
from assets.models.hub.rates import bytes_per_second, seconds_to_fetch
from assets.models.sources import NoRoomYet
from catalog.errors import UserError
from catalog.home import Home
from tests.assets.models.hub.conftest import N_BYTES, placed
from tests.end_to_end.conftest import wait_until
from tests.loopback_hub import LoopbackHub

Placed = tuple[Place, list[ListedFile]]


@pytest.fixture
def three(hub: LoopbackHub, home: Home, monkeypatch: pytest.MonkeyPatch) -> list[Placed]:
    """Three checkpoints, and a budget for two."""
    monkeypatch.setenv(cache.VARIABLE, str(2.5 * N_BYTES / 1e9))
    return [placed(hub, home, number) for number in range(3)]


def use(placed: Placed, *, ahead: bool = False) -> None:
    with held(*placed, print, ahead=ahead):
        pass


def user(placed: Placed, meanwhile: str = "") -> str:
    """Code of another process that holds a checkpoint, says so, and does something."""
    place, weights = placed
    return f"""
import time
from pathlib import Path
from assets.models.hub.cache import Place, held
from assets.models.hub.listing import ListedFile
from catalog.home import Home
place = Place({place.repository!r}, {place.commit!r}, Home(Path({str(place.home.root)!r})))
with held(place, {weights!r}, print, ahead=False):
    print("held", flush=True)
    {meanwhile}
"""


def there(three: list[Placed]) -> list[bool]:
    return [is_there(place) for place, _ in three]


def test_what_was_used_longest_ago_makes_room(hub: LoopbackHub, home: Home, three: list[Placed]) -> None:
    for number in (0, 1, 0, 2):
        use(three[number])

    assert there(three) == [True, False, True]
    assert hub.bodies("safetensors") == 3
    assert 2 * N_BYTES < used_bytes(home) < budget_bytes()


def test_what_is_in_use_stays_whoever_wants_room(three: list[Placed]) -> None:
    with held(*three[0], print, ahead=False) as first, held(*three[1], print, ahead=False):
        with pytest.raises(NoRoomYet, match="budget is taken"):
            use(three[2], ahead=True)

        assert sorted(path.name for path in first.iterdir()) == ["config.json", "model.safetensors"]
        assert there(three) == [True, True, False]


def test_room_is_waited_for_where_somebody_wants_the_weights_now(
    three: list[Placed], monkeypatch: pytest.MonkeyPatch
) -> None:
    others, said = ExitStack(), list[str]()
    for number in (0, 1):
        others.enter_context(held(*three[number], print, ahead=False))
    monkeypatch.setattr(time, "sleep", lambda seconds: others.close())

    with held(*three[2], said.append, ahead=False):
        pass

    assert there(three)[2]
    assert sum("waits until other processes" in line for line in said) == 1


def test_a_user_who_is_killed_holds_nothing(home: Home, three: list[Placed]) -> None:
    use(three[0])
    use(three[1])
    child = subprocess.Popen(
        [sys.executable, "-c", user(three[0], "time.sleep(60)")], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    use(three[1])
    use(three[2])
    assert there(three) == [True, False, True], "used longest ago, but in use"

    child.kill()
    child.wait()
    use(three[2])
    use(three[1])

    assert there(three) == [False, True, True]


def test_a_checkpoint_larger_than_the_budget_is_told(
    hub: LoopbackHub, three: list[Placed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache.VARIABLE, "0.00001")

    with pytest.raises(UserError, match="larger than the budget") as told:
        use(three[0])

    assert cache.VARIABLE in told.value.mend
    assert hub.bodies("safetensors") == 0


@pytest.mark.parametrize("stated", ["much", "0", "-1", "nan", "inf"])
def test_a_budget_is_a_positive_number(monkeypatch: pytest.MonkeyPatch, stated: str) -> None:
    monkeypatch.setenv(cache.VARIABLE, stated)

    with pytest.raises(UserError, match="no positive number"):
        budget_bytes()


def test_the_budget_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(cache.VARIABLE, raising=False)

    assert budget_bytes() == 50_000_000_000


def test_a_full_disk_makes_room_too_and_is_told_where_there_is_none(
    three: list[Placed], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(three[0])
    usage = shutil.disk_usage("/")

    def disk_usage(path: Path) -> object:
        return usage._replace(free=N_BYTES // 2 + (0 if is_there(three[0][0]) else N_BYTES))

    monkeypatch.setattr("assets.models.hub.cache.shutil.disk_usage", disk_usage)
    use(three[1])
    assert there(three) == [False, True, False]

    monkeypatch.setattr("assets.models.hub.cache.shutil.disk_usage", lambda path: usage._replace(free=0))
    with pytest.raises(UserError, match="disk is full"):
        use(three[2])


def test_many_who_want_one_checkpoint_fetch_it_once(hub: LoopbackHub, three: list[Placed]) -> None:
    let_go = hub.hold("safetensors", after=1000)
    with ThreadPoolExecutor(4) as pool:
        users = [pool.submit(use, three[0]) for _ in range(4)]
        wait_until(lambda: hub.bodies("safetensors") == 1)
        let_go.set()
        for user in users:
            user.result()

    assert hub.bodies("safetensors") == 1


def test_two_processes_who_want_one_checkpoint_fetch_it_once(
    hub: LoopbackHub, home: Home, three: list[Placed], tmp_path: Path
) -> None:
    environment = {**os.environ, **hub.environment(tmp_path / "hf")}
    let_go = hub.hold("safetensors", after=1000)
    children = [
        subprocess.Popen([sys.executable, "-c", user(three[0])], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    wait_until(lambda: hub.bodies("safetensors") == 1)
    let_go.set()
    outputs = [child.communicate(timeout=60)[0] for child in children]

    assert all(output.endswith("held\n") for output in outputs)
    assert hub.bodies("safetensors") == 1


def test_weights_damaged_on_disk_are_fetched_again(hub: LoopbackHub, three: list[Placed]) -> None:
    use(three[0])
    path = three[0][0].whole / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    with held(*three[0], print, ahead=False) as folder:
        assert (folder / "model.safetensors").read_bytes() == content

    assert hub.bodies("safetensors") == 2


def test_an_unfinished_fetch_is_under_no_final_name_and_counts_for_the_budget(
    hub: LoopbackHub, home: Home, three: list[Placed]
) -> None:
    let_go = hub.hold("safetensors", after=1000)
    fetching = threading.Thread(target=use, args=(three[0],))
    fetching.start()
    wait_until(lambda: hub.bodies("safetensors") == 1)

    assert not is_there(three[0][0])
    assert used_bytes(home) > N_BYTES
    let_go.set()
    fetching.join()
    assert is_there(three[0][0])


def test_what_a_killed_eviction_left_is_removed(home: Home, three: list[Placed]) -> None:
    left = home.weights / "hub" / ".leaving" / "whole"
    left.mkdir(parents=True)

    use(three[0])

    assert not left.exists()


def test_the_rate_of_fetches_is_remembered(home: Home, three: list[Placed]) -> None:
    assert seconds_to_fetch(1000, home) is None

    use(three[0])

    rate = bytes_per_second(home)
    assert rate is not None
    assert seconds_to_fetch(1000, home) == pytest.approx(1000 / rate)
