"""TCP probes against real ports: one that listens, one that does not, and settings that say what is wrong."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from pydantic import ValidationError

from collectors.inputs.probes import Probes
from collectors.probe_settings import ProbeSettings, TcpTarget
from collectors.tcp_connects import connects
from inventory.topology import Device, Topology
from station.batch import SampleBatch
from station.catalogue import code_of
from station.channel import Channel
from station.clock import SystemClock
from station.series import series_of
from tests.ports import TCP, free_port

NETWORK = Topology(devices={7: Device(no=7, id="d", name="here", site_id="", management_address="127.0.0.1")}, addresses={"127.0.0.1": 7})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A port of 127.0.0.1 that takes connections."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield listening.getsockname()[1]


async def test_every_connection_to_a_port_that_listens_is_timed(port: int) -> None:
    found = await connects(SystemClock(), "127.0.0.1", port, count=5, spacing_s=0, timeout_s=30)
    assert len(found) == 5
    assert all(one is not None and one >= 0 for one in found)


async def test_a_port_that_refuses_is_loss_without_a_time() -> None:
    assert await connects(SystemClock(), "127.0.0.1", free_port(TCP), count=2, spacing_s=0, timeout_s=30) == [None, None]


async def test_rounds_of_tcp_become_samples_of_their_device(port: int) -> None:
    out: Channel[SampleBatch] = Channel("tcp_probes_test", 8)
    target = (TcpTarget(address="127.0.0.1", port=port),)
    settings = ProbeSettings(tcp_interval_s=60, tcp=target, tcp_spacing_s=0, timeout_s=30)
    task = asyncio.create_task(Probes(settings, lambda: NETWORK, SystemClock(), out, Channel("heard_of_probes", 8)).run())
    batch = await asyncio.wait_for(out.get(), 60)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    said = {int(series): value for series, value in zip(batch.series, batch.value, strict=True)}
    names = ("loss", "rtt_p50", "rtt_p95", "rtt_p99", "jitter")
    assert sorted(said) == sorted(series_of(7, 0, code_of(f"tcp.{name}")) for name in names)
    assert said[series_of(7, 0, code_of("tcp.loss"))] == 0


@pytest.mark.parametrize(
    ("targets", "says"),
    [
        ([{"address": "router.example", "port": 22}], "router.example"),
        ([{"address": "192.0.2.1", "port": 0}], "greater than or equal to 1"),
        ([{"address": "192.0.2.1"}], "Field required"),
        ([{"address": "192.0.2.1", "port": 22}, {"address": "192.0.2.1", "port": 179}], "stands twice"),
    ],
)
def test_a_wrong_target_is_named(targets: list[dict[str, object]], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ProbeSettings.model_validate({"tcp": targets})
