"""First checks: asked once when a root is named, a few at once, kept with their time; runbooks that fit are suggested."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fault.checks import store
from fault.checks.api import router
from fault.checks.runner import FirstChecks
from fault.checks.subjects import subjects
from fault.checks.words import Way, changed, interfaces, pinged, traced
from fault.correlation.engine import Engine
from fault.resources import Resources
from fault.runbooks import Runbook, load_runbooks, suggest
from fault.service import FaultService
from fault.settings import FaultSettings
from station.clock import NS_PER_S, SystemClock, VirtualClock
from station.data import data_dir
from station.first_look import FirstLook
from station.metrics import REGISTRY
from station.scope import Role, Scope
from station.settings import SettingsError
from station.state import State
from tests.billing_bridge.calling import client
from tests.fault.network import NETWORK, at, down, event, service_on, store_at, up

QUICK = FaultSettings(lone_after_s=0, announce_after_s=0, first_checks_per_minute=60_000, first_check_timeout_s=0.2)
BOOKS = load_runbooks()


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    it = await store_at(tmp_path)
    yield it
    await it.close()


class Network:
    """Answers as it is told; `r2` hangs where it should."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.hangs, self.asked, self.at_once, self.most = hangs, list[str](), 0, 0

    async def ping(self, address: str, count: int, timeout_s: float) -> Sequence[float | None]:
        self.asked.append(address)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await (asyncio.Event().wait() if self.hangs else asyncio.sleep(0.01))
        self.at_once -= 1
        return [0.001, None, 0.003]

    async def trace(self, address: str) -> Way:
        raise OSError("no error queue here")

    async def ports(self, device_no: int, if_indexes: Sequence[int]) -> Mapping[int, tuple[int, int]] | None:
        return {101: (1, 2)} if device_no == 1 else None


@asynccontextmanager
async def running(service: FaultService, looker: Network) -> AsyncIterator[FirstChecks]:
    checks = FirstChecks(service, looker)
    task = asyncio.create_task(checks.run())
    try:
        yield checks
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def answers(state: State, incident: str, least: int) -> list[dict[str, object]]:
    async with asyncio.timeout(30):
        while True:
            async with state.read() as conn:
                rows = await store.of_incident(conn, 1, incident)
            if len(rows) >= least:
                return rows
            await asyncio.sleep(0.02)


async def test_a_root_is_looked_at_once_and_what_came_is_kept(state: State) -> None:
    clock = VirtualClock(at(0))
    service = await service_on(state, clock, settings=QUICK, correlator=Engine())
    await service.handle([event("dev-r1", "warning", 0, "processing.configuration_changed", text="by anna")])
    looker = Network()
    async with running(service, looker):
        clock.advance(60 * NS_PER_S)
        await service.handle([down("if-r1-1", 60), down("if-r2-1", 60)])
        clock.advance(NS_PER_S)
        await service.tick()
        it = next(each for each in service.incidents.incidents.values() if each.root.resource_id == "l12")
        rows = await answers(state, it.id, 8)
        await service.handle([down("if-r1-1", 62)])
    said = {(row["kind"], row["target"]): (row["state"], row["says"]) for row in rows}
    assert said["ping", "r1"] == ("bad", "2 of 3 answered, 2.0 ms")
    assert said["trace", "r1"] == ("unknown", "no error queue here")
    assert said["interface", "r1"] == ("bad", "ge-0/0/1 down")
    assert said["interface", "r2"] == ("bad", "the device does not answer its poll")
    assert said["change", "r1"] == ("bad", "1 min before the incident began: by anna")
    assert said["change", "r2"] == ("good", "no change is known")
    assert looker.asked.count("127.64.0.2") == 1


async def test_what_nobody_looked_at_before_a_stop_is_looked_at_after_it(state: State) -> None:
    clock = VirtualClock(at(0))
    first = await service_on(state, clock, settings=QUICK)
    await first.handle([down("if-r1-1")])
    await first.tick()
    (it,) = first.incidents.incidents.values()
    again = await service_on(state, clock, settings=QUICK)
    async with running(again, Network()):
        await answers(state, it.id, 4)
    third, looker = await service_on(state, clock, settings=QUICK), Network()
    async with running(third, looker):
        clock.advance(NS_PER_S)
        await third.handle([down("if-r3-9", 1)])
        await third.tick()
        other = next(each for each in third.incidents.incidents.values() if each.id != it.id)
        await answers(state, other.id, 4)
    assert looker.asked == ["127.64.0.3"]


async def test_a_device_that_hangs_costs_its_own_time_only(state: State) -> None:
    service = await service_on(state, VirtualClock(at(0)), settings=QUICK)
    await service.handle([down("if-r1-1")])
    await service.tick()
    (it,) = service.incidents.incidents.values()
    async with running(service, Network(hangs=True)):
        rows = await answers(state, it.id, 4)
    assert rows[0]["says"] == "no end after 0.2 s" and rows[0]["state"] == "unknown"


async def test_few_at_once_and_what_finds_no_room_is_counted(state: State) -> None:
    settings = QUICK.model_copy(update={"first_checks_waiting_max": 2, "first_checks_at_once_max": 1})
    service = await service_on(state, VirtualClock(at(0)), settings=settings)
    before = REGISTRY.get_sample_value("trunkline_first_checks_total", {"outcome": "queue_full"}) or 0
    looker = Network()
    checks = FirstChecks(service, looker)
    await service.handle([down(key) for key in ("if-r1-1", "if-r2-2", "if-r3-9", "if-r1-2")])
    await service.tick()
    assert REGISTRY.get_sample_value("trunkline_first_checks_total", {"outcome": "queue_full"}) == before + 2
    task = asyncio.create_task(checks.run())
    try:
        async with asyncio.timeout(30):
            while len(looker.asked) < 2:
                await asyncio.sleep(0.02)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert looker.most == 1


async def test_a_person_sees_answers_and_runbooks_and_asks_again(state: State) -> None:
    clock = VirtualClock(at(0))
    service = await service_on(state, clock, settings=QUICK)
    async with running(service, Network()) as checks:
        await service.handle([down("if-r1-1")])
        await service.tick()
        (it,) = service.incidents.incidents.values()
        await answers(state, it.id, 4)
        path = f"/api/v1/incidents/{it.id}/first-look"
        async with client(Scope(1, Role.OPERATOR, "o"), router(service, checks, BOOKS)) as http:
            said = (await http.get(path)).json()
            clock.advance(NS_PER_S)
            assert (await http.post(path)).status_code == 202
            await answers(state, it.id, 8)
            missing = await http.get("/api/v1/incidents/none/first-look")
            await service.handle([up("if-r1-1", 3)])
            over = await http.post(path)
        async with client(Scope(1, Role.OPERATOR, "o", regions=("east",)), router(service, checks, BOOKS)) as http:
            hidden = await http.get(path)
    assert [row["kind"] for row in said["checks"]] == ["ping", "trace", "interface", "change"]
    assert said["runbooks"][0]["name"] == "link_down" and len(said["runbooks"][0]["steps"]) > 2
    assert (missing.status_code, over.status_code, hidden.status_code) == (404, 409, 404)


def test_a_link_is_asked_at_both_ends_and_a_site_at_some_devices() -> None:
    resources = Resources(NETWORK)
    assert [(it.name, [port.name for port in it.ports]) for it in subjects("l12", (), resources)] == [
        ("r1", ["ge-0/0/1"]),
        ("r2", ["ge-0/0/1"]),
    ]
    assert [it.name for it in subjects("s2", (), resources)] == ["r2", "r3"]
    assert [it.name for it in subjects("ospf over l23", (), resources)] == ["r2", "r3"]
    assert [it.name for it in subjects("no such thing", ("if-r3-9",), resources)] == ["r3"]
    assert [port.name for port in subjects("dev-r2", (), resources)[0].ports] == ["ge-0/0/1", "ge-0/0/2"]


def test_answers_in_words() -> None:
    port = NETWORK.entities[1 << 16 | 1]
    assert pinged("r1", [None, None]).says == "0 of 2 answered"
    assert traced("r3", Way(("10.0.0.1", "", "10.0.0.2"), False), {"10.0.0.1": "r1"}).says == "r1 > 10.0.0.2; ends after 10.0.0.2"
    assert traced("r3", Way((), False), {}).state == "bad"
    assert interfaces("r1", [port], {101: (2, 2)}).says == "ge-0/0/1 is shut by its administrator"
    assert interfaces("r1", [port], {}).says == "ge-0/0/1 is not shown"
    assert interfaces("r1", [], {}) == interfaces("r1", [], {}) and interfaces("r1", [], {}).says == "answers its poll"
    assert changed("r1", {"raised_ns": 0, "text": ""}, 3 * 86_400 * NS_PER_S).says == "3 d before the incident began"


async def test_the_stations_own_ping_and_trace_reach_loopback() -> None:
    async def nobody(_no: int, _ports: Sequence[int], _protocols: object) -> None:
        return None

    look = FirstLook(SystemClock(), nobody)
    try:
        assert None not in await look.ping("127.0.0.1", 2, 5.0)
    except PermissionError as error:
        pytest.skip(f"no ICMP socket here: {error}")
    assert (await look.trace("127.0.0.1")).reached
    assert await look.ports(1, [1]) is None
    with pytest.raises(OSError, match="simulated"):
        await FirstLook(SystemClock(), nobody, simulated=True).ping("127.0.0.1", 1, 1.0)


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
def test_every_runbook_does_what_its_examples_say(book: Runbook) -> None:
    assert {example.suggested for example in book.file.examples} == {True, False}
    for example in book.file.examples:
        assert bool(suggest([book], example.root_kind, example.alarm_types)) == example.suggested, example.says


def test_the_most_particular_runbook_comes_first() -> None:
    found = suggest(BOOKS, "duct", ["communications.link_down"])
    assert found[0].name == "duct_cut"


def test_a_sites_own_runbook_replaces_a_shipped_one_and_faults_name_the_line(tmp_path: Path) -> None:
    text = (data_dir("config") / "runbooks" / "link_down.toml").read_text()
    (tmp_path / "link_down.toml").write_text(text.replace("A link or interface is down", "Call Otto"))
    assert "Call Otto" in {book.file.title for book in load_runbooks(str(tmp_path))}
    (tmp_path / "link_down.toml").write_text(text.replace("steps", "stesp"))
    with pytest.raises(SettingsError, match=r"link_down.toml:\d+: stesp: unknown key; did you mean 'steps'"):
        load_runbooks(str(tmp_path))
