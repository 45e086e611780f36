"""FreeRADIUS' radclient accounts for sessions: answered when it is durable, and only then."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.inputs.radius import Accounting, Radius, RadiusClient, RadiusSettings, Status
from station.clock import NS_PER_S, SystemClock, VirtualClock
from tests.ports import UDP, free_port

SECRET = "an accounting secret"
INTERIM = """Acct-Status-Type = Interim-Update
Acct-Session-Id = "4711"
User-Name = "S-1"
NAS-Identifier = "bras-1"
Acct-Input-Octets = 5
Acct-Input-Gigawords = 2
Acct-Output-Octets = 7
Acct-Session-Time = 600
Event-Timestamp = 1785000000
"""


class Store:
    """Takes records, or fails as a full disk does."""

    def __init__(self) -> None:
        self.taken: list[Accounting] = []
        self.full = False

    async def take(self, records: Sequence[Accounting]) -> None:
        if self.full:
            raise OSError("no space left on device")
        self.taken += records


def receiver(port: int, store: Store, network: str = "127.0.0.0/8") -> Radius:
    settings = RadiusSettings(port=port, clients=(RadiusClient(network=network, credential="bras"),))
    return Radius(settings, SystemClock(), lambda _: {"password": SECRET}, store.take)


@asynccontextmanager
async def running(store: Store, network: str = "127.0.0.0/8") -> AsyncIterator[int]:
    port = free_port(UDP)
    task = asyncio.create_task(receiver(port, store, network).run())
    try:
        yield port
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def radclient(port: int, said: str, secret: str = SECRET, tries: int = 10) -> str:
    program = shutil.which("radclient")
    assert program, "radclient is missing: apt-get install freeradius-utils"
    command = [program, "-x", "-r", str(tries), "-t", "1", f"127.0.0.1:{port}", "acct", secret]
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
    out, _ = await child.communicate(said.encode())
    return out.decode()


async def test_radclient_is_answered_and_its_session_taken() -> None:
    store = Store()
    async with running(store) as port:
        assert "Received Accounting-Response" in await radclient(port, INTERIM)
    (one, *rest) = store.taken
    assert all(again == one for again in rest)  # sent again before the socket was open
    assert (one.nas, one.status, one.session, one.names["User-Name"]) == ("bras-1", Status.INTERIM, "4711", "S-1")
    assert (one.in_octets, one.out_octets, one.seconds, one.time_ns) == ((2 << 32) + 5, 7, 600, 1_785_000_000 * NS_PER_S)


async def test_what_is_not_durable_is_not_answered_and_comes_again() -> None:
    store = Store()
    store.full = True
    async with running(store) as port:
        assert "Received Accounting-Response" not in await radclient(port, INTERIM, tries=2)
        store.full = False
        assert "Received Accounting-Response" in await radclient(port, INTERIM)
    assert len(store.taken) >= 1


@pytest.mark.parametrize(("secret", "network"), [("another secret", "127.0.0.0/8"), (SECRET, "192.0.2.0/24")])
async def test_a_wrong_secret_and_an_unknown_client_get_no_answer(secret: str, network: str) -> None:
    store = Store()
    async with running(store, network) as port:
        assert "Received Accounting-Response" not in await radclient(port, INTERIM, secret, tries=2)
    assert store.taken == []


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_refused_and_counted(noise: bytes, headed: bool) -> None:
    store = Store()
    radius = Radius(
        RadiusSettings(clients=(RadiusClient(network="127.0.0.1", credential="bras"),)),
        VirtualClock(0),
        lambda _: {"password": SECRET},
        store.take,
    )
    header = b"\x04\x01" + (20 + len(noise)).to_bytes(2) + bytes(16)

    async def one_turn() -> list[tuple[bytes, tuple[str, int]]]:
        radius.put(header + noise if headed else noise, ("127.0.0.1", 1))
        return await radius.turn()

    assert asyncio.run(one_turn()) == []
    assert store.taken == []
