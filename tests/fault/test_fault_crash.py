"""Killed at any moment and started again, the station ends where one that was never killed ends; receivers hear the same."""

import asyncio
import json
import random
import shutil
import signal
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from fault import store
from station.state import State
from tests.fault.network import store_at
from tests.fault.notifying import ENGINEER, notifier_on
from tests.fault.receiver import Received, Receiver, receiving

RESOURCES = ("if-r1-1", "if-r1-2", "if-r2-1", "if-r2-2", "if-r3-1", "if-r3-9")
LINES = 90
KILLS = 6
AGAIN_AFTER_S = 0
NOT_TOLD = {"heard_ns"}


def script(seed: int) -> list[list[Any]]:
    """Raises, changed severities, clears that hit and miss, and times where nothing happens."""
    chance, seconds = random.Random(seed), 0
    lines: list[list[Any]] = []
    cleared: dict[str, int] = {}
    while len(lines) < LINES:
        seconds += chance.choice((1, 2, 5, 40, 400))
        resource = chance.choice([name for name in RESOURCES if seconds - cleared.get(name, -AGAIN_AFTER_S) >= AGAIN_AFTER_S] or [""])
        severity = chance.choice(("critical", "major", "minor", "cleared", "cleared"))
        if severity == "cleared":
            cleared[resource] = seconds
        lines.append([seconds, resource, severity] if resource and chance.random() < 0.95 else [seconds])
    return lines


async def start(folder: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.fault.crash_subject", str(folder))


async def play(folder: Path, receiver: Receiver, kills: random.Random | None) -> int:
    """Run the subject to its end; with `kills`, end it with SIGKILL after a random number of requests or a random time."""
    killed = 0
    while not (folder / "done").exists():
        child = await start(folder)
        if kills is None or killed >= KILLS:
            assert await child.wait() == 0
            continue
        await a_while(child, receiver, kills)
        if child.returncode is None:
            child.send_signal(signal.SIGKILL)
            killed += 1
        assert await child.wait() in (0, -signal.SIGKILL)
    return killed


async def a_while(child: asyncio.subprocess.Process, receiver: Receiver, kills: random.Random) -> None:
    """Until some requests came, which is in the middle of the work, or until the child ended."""
    wanted, ended = len(receiver.requests) + kills.randint(1, 8), asyncio.create_task(child.wait())
    while len(receiver.requests) < wanted and not ended.done():
        receiver.changed.clear()
        heard = asyncio.create_task(receiver.changed.wait())
        await asyncio.wait({heard, ended}, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        heard.cancel()
    ended.cancel()
    await asyncio.sleep(kills.random() * 0.02)  # anywhere between two requests


async def alarms(folder: Path) -> dict[str, dict[str, Any]]:
    """The state of every alarm, and which incident it is in."""
    state = State(f"sqlite+aiosqlite:///{folder / 'state.db'}")
    async with state.read() as conn:
        rows = [dict(row) for row in (await conn.execute(sa.select(store.alarm))).mappings()]
    await state.close()
    return {row["id"]: {name: value for name, value in row.items() if name not in NOT_TOLD} for row in rows}


def order(heard: list[Received]) -> dict[str, list[tuple[int, str]]]:
    """What was told of each incident, in the order it came."""
    found = defaultdict(list)
    for it in heard:
        found[it.json["incident"]["id"]].append((it.json["revision"], it.json["transition"]))
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2])
async def test_a_killed_station_ends_where_its_twin_does(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    async with receiving(lambda _: 204 if chance.random() < 0.7 else chance.choice((500, 0))) as receiver:
        twins = {name: tmp_path / name for name in ("calm", "killed")}
        twins["calm"].mkdir()
        state = await store_at(twins["calm"])
        await notifier_on(state).add_webhook(ENGINEER, "tickets", receiver.url)
        await state.close()
        (twins["calm"] / "script.json").write_text(json.dumps(script(seed)))
        shutil.copytree(twins["calm"], twins["killed"])
        await play(twins["calm"], receiver, None)
        calm, receiver.taken, receiver.requests = receiver.effects, [], []
        killed = await play(twins["killed"], receiver, random.Random(seed))
    assert killed >= 3
    assert await alarms(twins["killed"]) == await alarms(twins["calm"])
    assert {it.key for it in receiver.effects} == {it.key for it in calm}
    assert order(receiver.effects) == order(calm)
    assert all(told == sorted(told) for told in order(calm).values())
