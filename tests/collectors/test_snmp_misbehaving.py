"""Agents that misbehave over a real socket: each fault is counted by its reason and costs its own device only."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from collectors.codecs import ber
from collectors.codecs.ber import Oid
from collectors.codecs.snmp import EXCEPTIONS, TIME_TICKS, PduType, VarBind
from collectors.settings import SnmpSettings
from collectors.snmp.client import Limits, SnmpClient
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.engine import Engine as Sockets
from collectors.snmp.poller import Poller
from collectors.snmp.profile_model import ProfileLimits
from collectors.snmp.profiles import Profiles, shipped_profiles
from collectors.snmp.wire import warm
from inventory.topology import Device, Entity, Topology
from station.batch import Notification, SampleBatch
from station.catalogue import metrics_by_code
from station.channel import Channel
from station.clock import NS_PER_S, SystemClock
from station.metrics import REGISTRY
from tests.collectors.snmp_agents import IF, IFX, SYS_UPTIME, Agent, Asked, Behave, Engine, interfaces, running

warm()
PUBLIC = SnmpCredential(community="public")
USER = SnmpCredential(
    version="3", user="watch", auth_protocol="sha256", auth_password="authentic-1", priv_protocol="aes128", priv_password="private-12"
)
QUICK = Limits(timeout_s=0.2, timeout_min_s=0.2, retries=1, budget_s=8.0)
BAD, GOOD = 1, 2


class SkippingClock(SystemClock):
    """A clock that a test may move on, so that what the station does every ten minutes is done now."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped_ns = 0

    def now_ns(self) -> int:
        return super().now_ns() + self.skipped_ns


def profiles(**limits: object) -> Profiles:
    generic = shipped_profiles().generic
    quick = ProfileLimits.model_validate({"timeout_s": 0.2, "retries": 1, "budget_s": 5} | limits)
    return Profiles({"generic": generic.model_copy(update={"limits": quick})})


@dataclass
class Lab:
    """The poller with one agent under test, device 1, and an honest one beside it, device 2."""

    bad: Agent
    good: Agent
    poller: Poller
    clock: SkippingClock
    samples: Channel[SampleBatch] = field(repr=False)
    notifications: Channel[tuple[Notification, ...]] = field(repr=False)
    drawn: list[Topology] = field(repr=False)  # the pictures of the inventory, the last one holds

    async def poll(self, no: int = BAD) -> tuple[bool, dict[str, float]]:
        """(answered, what was told) of one poll; keys are `metric n`, n the ifIndex the interface had at first."""
        answered = await self.poller.poll_now(no)
        found: dict[str, float] = {}
        while len(self.samples):
            batch = await self.samples.get()
            for series, value, raw in zip(batch.series.tolist(), batch.value.tolist(), batch.raw.tolist(), strict=True):
                if series >> 24 == no:
                    metric = metrics_by_code()[series & 0xFF].name
                    entity = series >> 8 & 0xFFFF
                    found[f"{metric} {entity}" if entity else metric] = raw if value != value else value
        return answered, found

    async def settled(self, no: int = BAD) -> tuple[bool, dict[str, float]]:
        """The second poll: the first may have found out what the agent lacks or cannot."""
        await self.poll(no)
        return await self.poll(no)

    async def heard(self) -> list[str]:
        found: list[str] = []
        while len(self.notifications):
            found += [notification.name for notification in await self.notifications.get()]
        return found

    @property
    def problems(self) -> dict[str, int]:
        return dict(self.poller.problems.get(BAD, {}))


def topology(bad: Agent, good: Agent, indexes: tuple[int, ...]) -> Topology:
    devices = {
        no: Device(no=no, id=str(no), name=str(no), site_id="", management_address=agent.address, snmp_port=agent.port)
        for no, agent in ((BAD, bad), (GOOD, good))
    }
    entities = [Entity(key=no << 16 | n, id=f"{no}-{n}", kind="interface", name=f"eth{n}", if_index=n) for no in devices for n in indexes]
    return Topology(version=1, devices=devices, entities={entity.key: entity for entity in entities})


@asynccontextmanager
async def lab(
    bad: Agent, *, credential: SnmpCredential = PUBLIC, indexes: tuple[int, ...] = (1, 2, 3), interval_s: float = 30, **limits: object
) -> AsyncIterator[Lab]:
    async with running(bad), running(Agent(interfaces(*indexes))) as good:
        drawn = [topology(bad, good, indexes)]
        samples: Channel[SampleBatch] = Channel("misbehaving samples", 100)
        notifications: Channel[tuple[Notification, ...]] = Channel("misbehaving notifications", 100)
        clock = SkippingClock()
        poller = Poller(
            SnmpSettings(unreachable_after=2, interval_s=interval_s, first_spread_s=0),
            topology=lambda: drawn[-1],
            credential_of=lambda _: credential,
            profiles=profiles(**limits),
            samples=samples,
            notifications=notifications,
            clock=clock,
        )
        try:
            yield Lab(bad, good, poller, clock, samples, notifications, drawn)
        finally:
            poller.close()


@asynccontextmanager
async def asking(agent: Agent, credential: SnmpCredential = PUBLIC, limits: Limits = QUICK) -> AsyncIterator[SnmpClient]:
    """A client of one agent on the slow path."""
    sockets = Sockets()
    async with running(agent):
        try:
            yield SnmpClient(sockets, agent.address, agent.port, credential, limits)
        finally:
            sockets.close()


def refused() -> Counter[str]:
    """Datagrams that answered no request, by reason."""
    found = (sample for metric in REGISTRY.collect() for sample in metric.samples if sample.name == "trunkline_snmp_refused_total")
    return Counter({sample.labels["reason"]: int(sample.value) for sample in found})


IN_OCTETS = [(*IFX, 6, n) for n in (1, 2, 3)]
WHOLE = {f"interface.in_octets {n}": 1000.0 * n for n in (1, 2, 3)}


def octets(found: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in found.items() if name.startswith("interface.in_octets")}


# --- walks


def looping(asked: Asked) -> None:
    asked.send(asked.answer(tuple(VarBind(varbind.oid, ber.INTEGER, 1) for varbind in asked.pdu.varbinds)))


def backwards(asked: Asked) -> None:
    rows = asked.agent.found(asked.pdu)
    asked.send(asked.answer((*rows[:2], *rows[:1], *rows[2:])))


def endless(asked: Asked) -> None:
    found, cursors = [], [varbind.oid for varbind in asked.pdu.varbinds]
    for n in range(asked.pdu.error_index or 1):
        found += [VarBind((*oid, n + 1), ber.INTEGER, n) if n == 0 else VarBind((*oid, 1, n), ber.INTEGER, n) for oid in cursors]
    asked.send(asked.answer(tuple(found)))


@pytest.mark.parametrize(
    ("behave", "reason"),
    [(looping, "not_increasing"), (backwards, "not_increasing"), (endless, "endless_table")],
    ids=["loop", "back", "endless"],
)
async def test_a_walk_that_would_not_end_is_cut_and_counted(behave: Behave, reason: str) -> None:
    agent = Agent(interfaces(*range(1, 40)), behave)
    async with asking(agent, limits=replace(QUICK, cells_max=300)) as client:
        table = await client.walk(((*IF, 2),))
    assert (table.problems, client.problems) == ([reason], {reason: 1})
    assert len(agent.asked) < 30


def too_big_above(most: int) -> Behave:
    def behave(asked: Asked) -> None:
        if len(asked.agent.found(asked.pdu)) > most:
            asked.send(asked.answer((), status=1))
        else:
            asked.honestly()

    return behave


async def test_a_walk_shrinks_its_questions_until_the_agent_can_answer() -> None:
    async with asking(Agent(interfaces(*range(1, 40)), too_big_above(7))) as client:
        table = await client.walk(tuple((*IF, column) for column in (2, 7, 8)))
    assert [len(table.column((*IF, column))) for column in (2, 7, 8)] == [39, 39, 39]
    assert client.problems["too_big"] >= 1 and table.complete


async def test_a_column_that_is_an_error_ends_alone() -> None:
    def behave(asked: Asked) -> None:
        names = [varbind.oid for varbind in asked.pdu.varbinds]
        broken = any(name[: len(IF) + 1] == (*IF, 7) for name in names)
        asked.send(asked.answer(asked.pdu.varbinds, status=5, index=1)) if broken else asked.honestly()

    async with asking(Agent(interfaces(*range(1, 20)), behave)) as client:
        table = await client.walk(tuple((*IF, column) for column in (2, 7, 8)))
    assert [len(table.column((*IF, column))) for column in (2, 7, 8)] == [19, 0, 19]
    assert table.problems == ["gen_err"]


async def test_an_empty_answer_to_a_walk_ends_its_column() -> None:
    async with asking(Agent(interfaces(1), lambda asked: asked.send(asked.answer(())))) as client:
        table = await client.walk(((*IF, 2), (*IF, 7)))
    assert set(table.problems) == {"empty"} and client.problems["empty"] >= 2


async def test_the_end_of_the_view_in_the_middle_of_a_row_loses_nothing() -> None:
    cells = interfaces(1, 2, 3)
    for n in (2, 3):
        del cells[(*IFX, 19, n)]  # the last column of all is shorter
    async with asking(Agent(cells)) as client:
        table = await client.walk(((*IF, 2), (*IFX, 10), (*IFX, 19)))
    assert [len(table.column(column)) for column in ((*IF, 2), (*IFX, 10), (*IFX, 19))] == [3, 3, 1]
    assert table.complete


async def test_a_sparse_table_is_walked_whole() -> None:
    cells = interfaces(*range(1, 30))
    for n in range(1, 30):
        if n % 7:
            del cells[(*IF, 8, n)]
    async with asking(Agent(cells)) as client:
        table = await client.walk(((*IF, 2), (*IF, 8)))
    assert ([row[0] for row in table.column((*IF, 8))], len(table.column((*IF, 2)))) == ([7, 14, 21, 28], 29)


# --- polls


async def test_an_agent_for_which_answers_are_too_big_is_asked_for_less() -> None:
    async with lab(Agent(interfaces(1, 2, 3), too_big_above(13))) as station:
        assert octets((await station.poll())[1]) == WHOLE
        for _ in range(3):
            answered, found = await station.poll()
        problems = station.problems["too_big"]
        assert (answered, octets(found)) == (True, WHOLE)
        assert octets((await station.poll())[1]) == WHOLE and station.problems["too_big"] == problems, "the size has been learned"


@pytest.mark.slow
async def test_a_poll_out_of_turn_waits_for_the_one_under_way() -> None:
    """The schedule polls each second, an agent takes a tenth of one to answer, and others ask in between."""
    agent = Agent(interfaces(1, 2, 3), lambda asked: asked.send(asked.answer(), after_s=0.1))
    async with lab(agent, interval_s=1) as station:
        running = asyncio.create_task(station.poller.run())
        answered = []
        for _ in range(8):
            answered.append(await station.poller.poll_now(BAD))
            await asyncio.sleep(0.12)
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert answered == [True] * 8 and not station.problems
    assert sum(pdu.type is PduType.GET for pdu in agent.asked) > 8, "the schedule went on as well"


def error_at(bad: Oid, status: int) -> Behave:
    def behave(asked: Asked) -> None:
        names = [varbind.oid for varbind in asked.pdu.varbinds]
        if asked.pdu.type is PduType.GET and bad in names:
            asked.send(asked.answer(asked.pdu.varbinds, status=status, index=names.index(bad) + 1))
        else:
            asked.honestly()

    return behave


async def test_one_variable_that_is_an_error_costs_itself_alone() -> None:
    async with lab(Agent(interfaces(1, 2, 3), error_at((*IFX, 6, 2), 5))) as station:
        answered, found = await station.settled()
    expected = {"interface.in_octets 1": 1000.0, "interface.in_octets 2": 2000.0, "interface.in_octets 3": 3000.0}
    assert answered and octets(found) == expected, "the 32-bit counter stands in"
    assert station.problems["gen_err"] >= 1


async def test_an_empty_list_of_variables_is_counted_and_the_device_answered() -> None:
    def behave(asked: Asked) -> None:
        asked.send(asked.answer(())) if asked.pdu.type is PduType.GET else asked.honestly()

    async with lab(Agent(interfaces(1, 2, 3), behave)) as station:
        answered, found = await station.poll()
    assert octets(found) == {} and station.problems["mismatch"] + station.problems["empty"] >= 2
    assert answered, "an agent that answers nonsense is there"


@pytest.mark.parametrize("tag", sorted(EXCEPTIONS))
async def test_names_the_agent_does_not_know_are_asked_no_more(tag: int) -> None:
    cells = interfaces(1, 2, 3)
    missing = [(*IFX, 19, n) for n in (1, 2, 3)] + [(*IF, 14, 2)]
    for oid in missing:
        cells[oid] = VarBind(oid, tag, None)
    agent = Agent(cells)
    async with lab(agent) as station:
        await station.poll()
        agent.asked.clear()
        answered, found = await station.poll()
    asked = {varbind.oid for pdu in agent.asked if pdu.type is PduType.GET for varbind in pdu.varbinds}
    assert answered and octets(found) == WHOLE and asked.isdisjoint(missing)
    assert "interface.in_errors 2" not in found and found["interface.in_errors 3"] == 3000


def cut(asked: Asked) -> None:
    asked.send(asked.answer()[:-9])


def garbage(asked: Asked) -> None:
    asked.send(b"\x30\x82\xff\xffnot a message")


def silent(_: Asked) -> None:
    return None


def elsewhere(asked: Asked) -> None:
    asked.send(asked.answer(), from_elsewhere=True)


def foreign_id(asked: Asked) -> None:
    asked.send(asked.answer(request_id=asked.pdu.request_id ^ 0x55))


def other_community(asked: Asked) -> None:
    asked.message = replace(asked.message, community=b"other")
    asked.send(asked.answer())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("behave", "reason", "counted"),
    [
        (cut, "truncated", "malformed"),
        (garbage, "truncated", "malformed"),
        (silent, "timeout", ""),
        (elsewhere, "timeout", "foreign_address"),
        (foreign_id, "timeout", "foreign_request_id"),
        (other_community, "community", "community"),
    ],
    ids=["truncated", "garbage", "silence", "another address", "foreign request-id", "another community"],
)
async def test_an_agent_that_is_never_right_is_down_for_that_reason_and_no_other_is(behave: Behave, reason: str, counted: str) -> None:
    agent = Agent(interfaces(1, 2, 3))
    async with lab(agent) as station:
        assert (await station.poll())[0]
        before = refused()
        agent.behave = behave
        polls = [await station.poll() for _ in range(2)]
        names = await station.heard()
        good = await station.poll(GOOD)
        for _ in range(10):
            await asyncio.sleep(0.01)
        seen = refused() - before
    assert [(answered, found.get("device.availability")) for answered, found in polls] == [(False, 0.0), (False, 0.0)]
    assert names == ["unreachable"] and station.problems[reason] >= 2
    assert not counted or seen[counted] >= 2
    assert good[0] and octets(good[1]) == WHOLE and set(station.poller.problems) == {BAD}


# --- what comes twice, late, in another order, or not at all


def shuffled(asked: Asked) -> None:
    """Every second answer overtakes the one before it, and everything comes twice."""
    after_s = 0.05 if len(asked.agent.asked) % 2 else 0.0
    asked.send(asked.answer(), after_s=after_s)
    asked.send(asked.answer(), after_s=after_s)


async def test_answers_in_another_order_and_twice_are_each_taken_once() -> None:
    before = refused()
    async with lab(Agent(interfaces(*range(1, 13)), shuffled), indexes=tuple(range(1, 13))) as station:
        answered, found = await station.poll()
        async with asyncio.timeout(60):
            while (refused() - before)["late_or_duplicate"] < 3:
                await asyncio.sleep(0.01)
    assert answered and octets(found) == {f"interface.in_octets {n}": 1000.0 * n for n in range(1, 13)}
    assert not station.problems


@pytest.mark.slow
async def test_a_lost_request_is_asked_again_and_an_answer_that_comes_late_is_counted() -> None:
    before, lost = refused(), itertools.count()

    def behave(asked: Asked) -> None:
        late = asked.pdu.type is PduType.GET and next(lost) == 0
        asked.send(asked.answer(), after_s=0.7 if late else 0.0)

    async with lab(Agent(interfaces(1, 2, 3), behave)) as station:
        answered, found = await station.poll()
        async with asyncio.timeout(60):
            while (refused() - before)["late_or_duplicate"] != 1:
                await asyncio.sleep(0.01)
    assert answered and octets(found) == WHOLE and station.problems == {"timeout": 1}


@pytest.mark.slow
async def test_an_agent_that_needs_20_ms_for_each_request_meets_not_one_timeout_of_ours() -> None:
    free_s = 0.0

    def behave(asked: Asked) -> None:
        nonlocal free_s
        now_s = asyncio.get_running_loop().time()
        free_s = max(free_s, now_s) + 0.02
        asked.send(asked.answer(), after_s=free_s - now_s)

    async with lab(Agent(interfaces(*range(1, 101)), behave), indexes=tuple(range(1, 101)), timeout_s=1.5) as station:
        for _ in range(2):
            answered, found = await station.poll()
            assert answered and len(octets(found)) == 100
    assert not station.problems


# --- values


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("4609 00ffffffffffffffff", 2**64 - 1),
        ("4608 ffffffffffffffff", 2**64 - 1),
        ("4608 8000000000000000", 2**63),
        ("468108 0000000000000005", 5),
        ("4684 00000001 07", 7),
        ("4109 ffffffffff80000000", 2**31),
    ],
    ids=["nine octets", "eight octets of ff", "top bit", "long-form length", "four length octets", "sign-extended"],
)
async def test_counters_as_agents_really_send_them(content: str, value: int) -> None:
    agent = Agent(interfaces(1, 2, 3))
    agent.raw[(*IFX, 6, 2)] = bytes.fromhex(content.replace(" ", ""))
    async with lab(agent) as station:
        answered, found = await station.poll()
    assert answered and octets(found) == WHOLE | {"interface.in_octets 2": value} and not station.problems


async def test_a_counter_that_cannot_be_costs_itself_alone() -> None:
    agent = Agent(interfaces(1, 2, 3))
    agent.raw[(*IFX, 6, 2)] = bytes.fromhex("460901ffffffffffffffff")
    async with lab(agent) as station:
        answered, found = await station.poll()
    assert answered and station.problems["malformed"] >= 1
    assert {name: value for name, value in octets(found).items() if not name.endswith(" 2")} == {
        name: value for name, value in WHOLE.items() if not name.endswith(" 2")
    }


def long_form(asked: Asked) -> None:
    """Every length of the message in four octets, as some agents write the outer ones."""
    asked.send(_long(asked.answer()))


def _long(data: bytes) -> bytes:
    tag, start, stop = ber.read_tlv(data, 0, len(data))
    content, pos = data[start:stop], 0
    if tag in (ber.SEQUENCE, PduType.RESPONSE):
        parts = []
        while pos < len(content):
            end = ber.read_tlv(content, pos, len(content))[2]
            parts.append(_long(content[pos:end]))
            pos = end
        content = b"".join(parts)
    return bytes((tag, 0x84)) + len(content).to_bytes(4) + content


# --- what changes


async def test_a_reboot_is_news_and_everything_is_learned_anew() -> None:
    agent = Agent(interfaces(1, 2, 3))
    async with lab(agent) as station:
        await station.poll()
        cells = dict(interfaces(7, 8, 9))
        for old, new in zip((1, 2, 3), (7, 8, 9), strict=True):  # the ports have other numbers since
            for base in ((*IF, 2), (*IFX, 1)):
                cells[(*base, new)] = VarBind((*base, new), ber.OCTET_STRING, f"eth{old}".encode())
        cells[SYS_UPTIME] = VarBind(SYS_UPTIME, TIME_TICKS, 100)
        agent.hold(cells)
        await station.poll()
        answered, found = await station.poll()
        assert await station.heard() == ["rebooted"]
    assert answered and octets(found) == {f"interface.in_octets {n}": 1000.0 * (n + 6) for n in (1, 2, 3)}


async def test_renumbered_interfaces_are_found_again_by_their_names() -> None:
    agent = Agent(interfaces(1, 2, 3))
    async with lab(agent) as station:
        await station.poll()
        cells = interfaces(1, 2, 4)
        for base in ((*IF, 2), (*IFX, 1)):
            cells[(*base, 4)] = VarBind((*base, 4), ber.OCTET_STRING, b"eth3")
        agent.hold(cells)
        station.clock.skipped_ns += 120 * NS_PER_S
        for _ in range(2):  # the first finds names absent, the second learns
            answered, found = await station.poll()
    assert answered and octets(found) == WHOLE | {"interface.in_octets 3": 4000}


async def test_a_number_that_discovery_found_and_nobody_learned_is_learned_soon() -> None:
    agent = Agent(interfaces(1, 2, 3))
    async with lab(agent) as station:
        await station.poll()
        cells = interfaces(1, 2, 3, 4)  # net-snmp keeps the row of an interface that was deleted and made again
        for base in ((*IF, 2), (*IFX, 1)):
            cells[(*base, 4)] = VarBind((*base, 4), ber.OCTET_STRING, b"eth3")
        agent.hold(cells)
        before = station.drawn[-1]
        key = BAD << 16 | 3
        station.drawn.append(replace(before, version=2, entities={**before.entities, key: replace(before.entities[key], if_index=4)}))
        _, found = await station.poll()
        assert octets(found) == WHOLE  # just learned: once in a while is enough
        station.clock.skipped_ns += 30 * NS_PER_S
        answered, found = await station.poll()
    assert answered and octets(found) == WHOLE | {"interface.in_octets 3": 4000}


# --- version 3


@pytest.mark.parametrize("auth", ["md5", "sha1", "sha512"])
@pytest.mark.parametrize("priv", ["", "des", "aes256"])
async def test_a_v3_agent_is_polled_as_fast_as_any(auth: str, priv: str) -> None:
    user = replace(USER, auth_protocol=auth, priv_protocol=priv)
    async with lab(Agent(interfaces(1, 2, 3), v3=Engine(user)), credential=user) as station:
        answered, found = await station.poll()
    assert answered and octets(found) == WHOLE and set(station.problems) <= {"unknown_engine", "not_in_time_window"}


async def test_a_v3_answer_is_not_believed_under_another_request() -> None:
    """An authentic answer that is replayed under a new msgID carries the old one inside its digest: it cannot be bent to fit."""
    engine, old = Engine(USER), []

    def replay(data: bytes) -> bytes:
        old.append(data)
        return data if len(old) < 4 else old[0]

    engine.bend = replay
    before = refused()
    async with lab(Agent(interfaces(1, 2, 3), v3=engine), credential=USER, retries=0) as station:
        await station.poll()
        await station.poll()
    assert sum((refused() - before)[reason] for reason in ("foreign_request_id", "late_or_duplicate")) >= 1


async def test_ipv6_agents_are_polled() -> None:
    agent = Agent(interfaces(1, 2, 3), address="::1")
    async with lab(agent) as station:
        answered, found = await station.poll()
    assert answered and octets(found) == WHOLE
