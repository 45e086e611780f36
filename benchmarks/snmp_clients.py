"""The clients of the SNMP benchmarks: ours, gufo-snmp and pysnmp, each asking the agents of `snmp_agents` for the same table.

Only the client's CPU is counted, user and system, all its threads. Ours runs from the socket to finished
SampleBatches with series numbers, all checks on.
"""

import asyncio
import json
import logging
import statistics
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from gufo.snmp import Aes128Key, Sha256Key, SnmpVersion, User
from gufo.snmp.aio import SnmpSession

from benchmarks.snmp_agents import COLUMNS, IF, INTERFACES, PORT, STATES, USER, VALUES_PER_AGENT, address, answering
from collectors.codecs.ber import Oid, dotted
from collectors.snmp.client import Limits, SnmpClient
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.engine import Engine
from collectors.snmp.plan import SYS_UPTIME, Item, Plan, build
from collectors.snmp.sweeper import Sweeper
from collectors.snmp.wire import Ended, warm
from station.clock import SystemClock
from station.series import series_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecated names of its own while it is imported
    from pysnmp.hlapi.v3arch import asyncio as hlapi

gufo_version, pysnmp_version = version("gufo-snmp"), version("pysnmp")
COMMUNITY = SnmpCredential(community="public")


def _octets(column: Oid) -> int:
    """How long a value of this column can get."""
    return 1 if column in STATES else 5 if column[:-1] == IF else 9


def our_plan() -> Plan:
    """Every cell of the table with its series number."""
    items = [
        Item((*column, index), series_of(0, index, metric), column not in STATES, group=index, octets=_octets(column))
        for index in range(1, INTERFACES + 1)
        for metric, column in enumerate(COLUMNS, 1)
    ]
    return build(items, varbinds_max=60)


class Ours:
    """The flat poll path: sockets, retries, timeouts, every check, finished batches with series numbers."""

    name = "trunkline"

    def __init__(self, agents: int, credential: SnmpCredential) -> None:
        warm()
        self.agents, self.credential = agents, credential
        self.left, self.finished = 0, asyncio.Event()

    async def __aenter__(self) -> "Ours":
        self.sweeper, plan = Sweeper(SystemClock()), our_plan()
        self.joined = []
        port = PORT + 1 if self.credential.version == "3" else PORT
        engine = Engine()
        for n in range(self.agents):
            client = SnmpClient(engine, address(n), port, self.credential)
            if self.credential.version == "3":
                await client.get((SYS_UPTIME,))  # engine discovery
            self.joined.append(self.sweeper.join(address(n), port, n + 1, Limits(), client.security, plan, self._ended))
        engine.close()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.sweeper.close()

    def _ended(self, how: Ended) -> None:
        assert not how.reason, how
        self.left -= 1
        if not self.left:
            self.finished.set()

    async def poll(self) -> int:
        """One poll of every agent; the samples."""
        self.left = self.agents
        self.finished.clear()
        for agent in self.joined:
            assert self.sweeper.begin(agent, outstanding=2), "as many agents as fit"
        async with asyncio.timeout(60):
            await self.finished.wait()
        return sum(map(len, self.sweeper.batches()))


class Gufo:
    """gufo-snmp, a coroutine an agent: the table by GETBULK column by column, or by the same GETs as ours."""

    def __init__(self, agents: int, credential: SnmpCredential, way: str) -> None:
        self.agents, self.credential, self.way, self.name = agents, credential, way, f"gufo-snmp {gufo_version} {way}"
        self.columns = [dotted(column) for column in COLUMNS]
        self.asked = [[dotted(oid) for oid in request.oids] for request in our_plan().requests]

    async def __aenter__(self) -> "Gufo":
        user = User("bench", auth_key=Sha256Key(USER.auth_password.encode()), priv_key=Aes128Key(USER.priv_password.encode()))
        if self.credential.version == "3":
            made = [SnmpSession(address(n), PORT + 1, version=SnmpVersion.v3, user=user, timeout=5) for n in range(self.agents)]
        else:
            made = [SnmpSession(address(n), PORT, "public", version=SnmpVersion.v2c, timeout=5) for n in range(self.agents)]
        self.sessions = made
        await asyncio.gather(*(session.refresh() for session in made))
        await self.poll()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.sessions.clear()

    async def poll(self) -> int:
        return sum(await asyncio.gather(*map(self._one, self.sessions)))

    async def _one(self, session: Any) -> int:
        found = 0
        if self.way == "get_many":
            for oids in self.asked:
                found += len(await session.get_many(oids)) - 1  # less sysUpTime
            return found
        for column in self.columns:
            async for _ in session.getbulk(column, max_repetitions=INTERFACES + 1):
                found += 1
        return found


class Pysnmp:
    """pysnmp's asyncio API without MIB look-ups: GETBULK over all columns at once, one engine, a few agents at a time."""

    name = f"pysnmp {pysnmp_version}"

    def __init__(self, agents: int, credential: SnmpCredential) -> None:
        self.agents = agents
        self.credential = credential

    async def __aenter__(self) -> "Pysnmp":
        self.engine = hlapi.SnmpEngine()
        if self.credential.version == "3":
            auth, priv = hlapi.usmHMAC192SHA256AuthProtocol, hlapi.usmAesCfb128Protocol
            self.who: Any = hlapi.UsmUserData("bench", USER.auth_password, USER.priv_password, authProtocol=auth, privProtocol=priv)
        else:
            self.who = hlapi.CommunityData("public")
        port = PORT + 1 if self.credential.version == "3" else PORT
        self.targets = [await hlapi.UdpTransportTarget.create((address(n), port), timeout=5) for n in range(self.agents)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.engine.close_dispatcher()

    async def poll(self) -> int:
        return sum(await asyncio.gather(*map(self._one, self.targets)))

    async def _one(self, target: Any) -> int:
        found: int = 0
        cursors: list[Any] = list(COLUMNS)
        while True:
            names = [hlapi.ObjectType(hlapi.ObjectIdentity(tuple(oid))) for oid in cursors]
            failed, _, _, varbinds = await hlapi.bulk_cmd(
                self.engine, self.who, target, hlapi.ContextData(), 0, 60 // len(COLUMNS), *names, lookupMib=False
            )
            assert not failed, failed
            within = [tuple(name)[:-1] == column for (name, _), column in zip(varbinds, COLUMNS * 4, strict=False)]
            found += sum(within)
            if not all(within) or found >= VALUES_PER_AGENT:
                return found
            cursors = [name for name, _ in varbinds[-len(COLUMNS) :]]


Client = Ours | Gufo | Pysnmp


async def measured(client: Client) -> float:
    """Varbinds per client CPU-second of one poll of all its agents, after one to warm up."""
    async with client:
        await client.poll()
        began = time.process_time()
        found = await client.poll()
        spent = time.process_time() - began
    assert found == client.agents * VALUES_PER_AGENT, (client.name, found)
    return found / spent


Maker = Callable[[], Client]


def compared(name: str, makers: list[Maker], goals: dict[str, float], repeats: int) -> list[dict[str, Any]]:
    """Medians of interleaved runs: ours, which is made by the first, beside each other."""
    rates: dict[str, list[float]] = {}
    for _ in range(repeats):
        for make in makers:
            client = make()
            rates.setdefault(client.name, []).append(asyncio.run(measured(client)))
    medians = {client: statistics.median(found) for client, found in rates.items()}
    (_, mine), *others = medians.items()
    what = {"name": name, "value": round(mine), "unit": "varbinds per client CPU-second", "n": repeats}
    return [
        what | {"peer": peer, "peer_value": round(rate), "ratio": round(mine / rate, 1), "goal": goals[peer.split()[0]]}
        for peer, rate in others
    ]


def walked(name: str, credential: SnmpCredential, goals: dict[str, float], *, quick: bool, as_json: bool) -> None:
    """Print the figures. gufo-snmp both walks the columns, as it is meant to be used, and asks the same GETs as we do."""
    logging.getLogger("gufo").setLevel(logging.ERROR)
    agents, repeats = (500, 3) if quick else (1000, 5)
    makers: list[Maker] = [
        lambda: Ours(agents, credential),
        lambda: Gufo(30, credential, "walk"),
        lambda: Gufo(30, credential, "get_many"),
        lambda: Pysnmp(3, credential),
    ]
    with answering():
        for figure in compared(name, makers, goals, repeats):
            figure["agents"] = agents
            print(json.dumps(figure) if as_json else "  ".join(f"{key} {value}" for key, value in figure.items()), flush=True)
