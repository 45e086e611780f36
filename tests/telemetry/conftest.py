"""A real chDB owner process for the tests of this folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from station.telemetry import schema
from station.telemetry.client import TelemetryClient
from station.telemetry.settings import TelemetrySettings
from station.telemetry.supervisor import OwnerProcess


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[OwnerProcess]:
    async with OwnerProcess(tmp_path / "telemetry") as running:
        yield running


@pytest.fixture
async def client(owner: OwnerProcess) -> AsyncIterator[TelemetryClient]:
    made = TelemetryClient(owner.url)
    await schema.create(made, TelemetrySettings())
    yield made
    await made.close()
