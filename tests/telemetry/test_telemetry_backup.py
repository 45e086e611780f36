"""The samples are copied while they come, and a copy comes back."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from station.telemetry import schema
from station.telemetry.client import TelemetryClient
from station.telemetry.owner import held
from station.telemetry.settings import TelemetrySettings
from station.telemetry.supervisor import OwnerProcess
from tests.telemetry.test_telemetry_owner import rows

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


async def trunkline(*arguments: str) -> tuple[int, str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "station.cli", *arguments]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, env=environment, check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


async def stored(folder: Path) -> int:
    async with OwnerProcess(folder) as owner:
        client = TelemetryClient(owner.url)
        found = await client.query("SELECT count() AS n FROM sample_raw")
        await client.close()
    return int(found["n"][0])


async def test_a_copy_made_while_the_store_works_comes_back(tmp_path: Path) -> None:
    data, copy, state = tmp_path / "data", tmp_path / "samples", tmp_path / "state.db"
    wanted = (str(state), "--telemetry", str(copy), "--data", str(data))
    async with OwnerProcess(data / "telemetry") as owner:
        client = TelemetryClient(owner.url)
        await schema.create(client, TelemetrySettings())
        (data / "telemetry.url").write_text(owner.url)
        await client.insert("sample_raw", rows(1000, 1))
        assert (await trunkline("backup", *wanted))[0] == 0
        await client.insert("sample_raw", rows(5000, 2))
        await client.close()
        assert await trunkline("restore", *wanted) == (1, "the station is running: stop it first\n")
    (data / "telemetry.url").unlink()
    assert (await trunkline("backup", *wanted))[1].endswith("exists already\n")
    assert (await trunkline("restore", *wanted))[0] == 0
    assert await stored(data / "telemetry") == 1000
    assert await stored(data / "telemetry.before-restore") == 6000


async def test_a_folder_of_somebody_else_is_no_copy(tmp_path: Path) -> None:
    data, state = tmp_path / "data", tmp_path / "state.db"
    (tmp_path / "photos").mkdir()
    assert (await trunkline("backup", str(state), "--data", str(data)))[0] == 0
    said = await trunkline("restore", str(state), "--telemetry", str(tmp_path / "photos"), "--data", str(data))
    assert (said[0], "not a backup of a telemetry store" in said[1]) == (1, True)
    assert not held(data / "telemetry")


async def test_a_copy_that_cannot_be_read_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    data, copy, state = tmp_path / "data", tmp_path / "samples", tmp_path / "state.db"
    async with OwnerProcess(data / "telemetry") as owner:
        client = TelemetryClient(owner.url)
        await schema.create(client, TelemetrySettings())
        await client.insert("sample_raw", rows(1000, 1))
        await client.close()
    copy.mkdir()
    (copy / ".backup").write_text("torn")
    assert (await trunkline("backup", str(state), "--data", str(data)))[0] == 0
    assert (await trunkline("restore", str(state), "--telemetry", str(copy), "--data", str(data)))[0] == 1
    assert await stored(data / "telemetry") == 1000
