"""Every hard case by its name: an agent that misbehaves so, asked by the real poller, and the very samples that come of it.

Each case runs on the flat path and again on the slow path alone. `WHOLE` is what an honest agent gives; a case says
which values it costs or changes and what is counted. The same agents over longer stories: `test_snmp_misbehaving`.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace

import pytest

from collectors.codecs import ber
from collectors.codecs.ber import Oid
from collectors.codecs.snmp import NO_SUCH_INSTANCE, NO_SUCH_OBJECT, TIME_TICKS, PduType, VarBind
from collectors.snmp import rounds
from station.clock import NS_PER_S
from tests.collectors.snmp_agents import IF, IFX, SYS_UPTIME, Agent, Asked, Behave, Engine, interfaces
from tests.collectors.test_snmp_misbehaving import (
    PUBLIC,
    USER,
    Lab,
    backwards,
    cut,
    error_at,
    foreign_id,
    lab,
    long_form,
    looping,
    other_community,
    refused,
    shuffled,
    silent,
    too_big_above,
)
from tests.collectors.test_snmp_misbehaving import elsewhere as from_elsewhere
from tests.collectors.test_snmp_misbehaving import garbage as no_message

PORTS = (1, 2, 3)
COUNTERS = ("in_octets", "out_octets", "in_packets", "out_packets", "in_errors", "out_errors", "in_discards", "out_discards")
ROW = [f"interface.{name}" for name in COUNTERS]


def row(n: int, counts: float | None = None) -> dict[str, float]:
    """What interface n tells when all its counters stand at `counts`: n thousand if not said."""
    at = 1000.0 * n if counts is None else counts
    states = {f"interface.oper_status {n}": 1.0, f"interface.admin_status {n}": 1.0}
    return {f"{name} {n}": at for name in ROW} | states


def rows(*ports: int) -> dict[str, float]:
    return {name: value for n in ports for name, value in row(n).items()}


WHOLE = rows(*PORTS)


def told(found: dict[str, float]) -> dict[str, float]:
    """The samples of interfaces alone."""
    return {name: value for name, value in found.items() if name.startswith("interface.")}


def only_get(behave: Behave) -> Behave:
    """Misbehave in polls; what is walked to learn the device is answered honestly."""
    return lambda asked: behave(asked) if asked.pdu.type is PduType.GET else asked.honestly()


def only_walk(behave: Behave) -> Behave:
    return lambda asked: asked.honestly() if asked.pdu.type is PduType.GET else behave(asked)


def answered_as(*varbinds: VarBind, status: int = 0) -> Behave:
    return lambda asked: asked.send(asked.answer(varbinds, status=status))


def walked_error(status: int) -> Behave:
    return lambda asked: asked.send(asked.answer(asked.pdu.varbinds, status=status, index=1))


@pytest.fixture(params=["flat", "slow"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """On the slow path nothing is asked by the compiled steps, as before they are loaded."""
    if request.param == "slow":
        monkeypatch.setattr(rounds, "is_warm", lambda: False)
    return str(request.param)


@dataclass(frozen=True)
class Case:
    """One way to misbehave, from the second poll on; what the third poll tells, and reasons that are counted meanwhile."""

    name: str
    behave: Behave = Asked.honestly
    raw: dict[Oid, str] = field(default_factory=dict)
    cells: Callable[[], dict[Oid, VarBind]] = lambda: interfaces(*PORTS)
    told: dict[str, float] = field(default_factory=lambda: dict(WHOLE))
    counted: tuple[str, ...] = ()
    clean: bool = False  # the agent is right, if unusual: nothing at all is counted
    refused: str = ""
    answered: bool = True


def without(cells: dict[Oid, VarBind], *oids: Oid) -> dict[Oid, VarBind]:
    return {oid: cell for oid, cell in cells.items() if oid not in oids}


def with_tag(tag: int, *oids: Oid) -> dict[Oid, VarBind]:
    return interfaces(*PORTS) | {oid: VarBind(oid, tag, None) for oid in oids}


def less(*names: str) -> dict[str, float]:
    return {name: value for name, value in WHOLE.items() if name not in names}


IN_OCTETS_2, IN_ERRORS_2 = (*IFX, 6, 2), (*IF, 14, 2)
LESS_ERRORS_2 = less("interface.in_errors 2")


def counter(octets_: str, value: float) -> dict[str, object]:
    return {"raw": {IN_OCTETS_2: octets_}, "told": WHOLE | {"interface.in_octets 2": value}, "clean": True}


CASES = [
    Case("an honest agent", clean=True),
    Case("tooBig on GET", only_get(too_big_above(7)), counted=("too_big",)),
    Case("genErr for one variable", error_at(IN_ERRORS_2, 5), told=LESS_ERRORS_2, counted=("gen_err",)),
    Case("noAccess for one variable", error_at(IN_ERRORS_2, 6), told=LESS_ERRORS_2, counted=("no_access",)),
    Case("noSuchName in version 2c", error_at(IN_ERRORS_2, 2), told=LESS_ERRORS_2),
    Case("an empty list of variables", only_get(answered_as()), told={}, counted=("empty",)),
    Case("noSuchObject", cells=lambda: with_tag(NO_SUCH_OBJECT, IN_ERRORS_2), told=LESS_ERRORS_2, clean=True),
    Case("noSuchInstance", cells=lambda: with_tag(NO_SUCH_INSTANCE, IN_ERRORS_2), told=LESS_ERRORS_2, clean=True),
    Case("endOfMibView in the middle of a row", cells=lambda: with_tag(0x82, IN_ERRORS_2), told=LESS_ERRORS_2, clean=True),
    Case("64-bit columns that are missing", cells=lambda: interfaces(*PORTS, wide=False), clean=True),
    Case("a sparse table", cells=lambda: without(interfaces(*PORTS), IN_ERRORS_2), told=LESS_ERRORS_2, clean=True),
    Case("a truncated reply", only_get(cut), told={}, counted=("truncated",), answered=False),
    Case("garbage", only_get(no_message), told={}, counted=("truncated",), answered=False),
    Case("a foreign request-id", only_get(foreign_id), told={}, counted=("timeout",), refused="foreign_request_id", answered=False),
    Case(
        "a reply from another address", only_get(from_elsewhere), told={}, counted=("timeout",), refused="foreign_address", answered=False
    ),
    Case("a reply under another community", only_get(other_community), told={}, counted=("community",), answered=False),
    Case("silence", only_get(silent), told={}, counted=("timeout",), answered=False),
    Case("duplicate and reordered replies", only_get(shuffled), refused="late_or_duplicate", clean=True),
    Case("lengths in the long form", only_get(long_form), clean=True),
    Case("a Counter64 of nine octets", **counter("460900ffffffffffffffff", 2**64 - 1)),  # type: ignore[arg-type]
    Case("a Counter64 of eight octets ff", **counter("4608ffffffffffffffff", 2**64 - 1)),  # type: ignore[arg-type]
    Case("a Counter64 without its leading zero", **counter("46088000000000000000", 2**63)),  # type: ignore[arg-type]
    Case(
        "a Counter64 that cannot be",
        raw={IN_OCTETS_2: "460901ffffffffffffffff"},
        told=WHOLE | {"interface.in_octets 2": 2000.0},  # the 32-bit counter stands in
        counted=("range",),
    ),
    Case("an Opaque float", raw={(*IF, 8, 2): "4407 9f780440000000"}, told=WHOLE | {"interface.oper_status 2": 2.0}, clean=True),
    Case("an Opaque double", raw={(*IF, 8, 2): "440b 9f79084000000000000000"}, told=WHOLE | {"interface.oper_status 2": 2.0}, clean=True),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_a_case_costs_itself_alone(case: Case, path: str) -> None:
    agent = Agent(interfaces(*PORTS))
    before = refused()
    async with lab(agent, timeout_s=0.5, retries=1 if case.answered else 0) as station:
        assert told((await station.poll())[1]) == WHOLE
        agent.hold(case.cells())
        agent.raw, agent.behave = {oid: bytes.fromhex(octets_) for oid, octets_ in case.raw.items()}, case.behave
        for _ in range(2 if case.answered else 0):  # it may be found out what the agent lacks or cannot
            await station.poll()
        answered, found = await station.poll()
        assert (answered, told(found)) == (case.answered, case.told)
        assert not case.clean or not station.problems
        assert set(case.counted) <= station.problems.keys()
        agent.behave, agent.raw = Asked.honestly, {}
        agent.hold(interfaces(*PORTS))
        station.clock.skipped_ns += 3600 * NS_PER_S  # learned anew
        assert told((await station.poll())[1]) == WHOLE, "whatever it was, it does no lasting harm"
    if case.refused:
        async with asyncio.timeout(60):
            while not (refused() - before)[case.refused]:
                await asyncio.sleep(0.01)


# --- what is walked to learn the device goes wrong; polls are honest


def walk_ends_early(asked: Asked) -> None:
    """The view ends in the middle of a row: the second column has fewer cells than the first."""
    found = asked.agent.found(asked.pdu)
    asked.send(asked.answer(tuple(VarBind(cell.oid, 0x82, None) if cell.oid[-1] == 3 and i % 2 else cell for i, cell in enumerate(found))))


WALKS: list[tuple[str, Behave, tuple[str, ...]]] = [
    ("names that do not increase", backwards, ("not_increasing",)),
    ("names that loop", looping, ("not_increasing",)),
    ("tooBig on walk", too_big_above(7), ("too_big",)),
    ("tooBig for whatever is walked", walked_error(1), ("too_big",)),
    ("genErr on walk", walked_error(5), ("gen_err",)),
    ("an empty list on walk", answered_as(), ("empty",)),
    ("endOfMibView in the middle of a row on walk", walk_ends_early, ()),
    ("a truncated reply to a walk", cut, ("truncated",)),
]


@pytest.mark.parametrize(("behave", "counted"), [walk[1:] for walk in WALKS], ids=[walk[0] for walk in WALKS])
async def test_what_cannot_be_learned_costs_no_poll(behave: Behave, counted: tuple[str, ...], path: str) -> None:
    """Names that are not learned leave the numbers of the inventory; the walk ends, and is no reason for silence."""
    agent = Agent(interfaces(*PORTS), only_walk(behave))
    async with lab(agent, timeout_s=0.5, retries=0, budget_s=1) as station:
        answered, found = await station.poll()
        assert (answered, told(found)) == (True, WHOLE)
        assert set(counted) <= station.problems.keys()
    assert len(agent.asked) < 60, "no walk goes on for ever"


async def test_a_row_that_vanishes_while_it_is_walked_costs_itself_alone(path: str) -> None:
    def behave(asked: Asked) -> None:
        asked.honestly()
        if asked.pdu.type is not PduType.GET:  # gone after the first answer that named it
            asked.agent.hold(interfaces(1, 3))

    async with lab(Agent(interfaces(*PORTS), behave)) as station:
        await station.poll()
        answered, found = await station.poll()
    assert (answered, told(found)) == (True, rows(1, 3))


# --- what changes between two polls


async def test_a_row_that_vanishes_ends_its_series_and_is_noted_and_one_that_returns_goes_on(path: str) -> None:
    agent = Agent(interfaces(*PORTS))
    async with lab(agent) as station:
        await station.poll()
        agent.hold(interfaces(1, 3))
        for _ in range(3):
            answered, found = await station.poll()
            assert (answered, told(found)) == (True, rows(1, 3)), "no stale value is repeated"
        assert station.problems == {"row_gone": 1}
        agent.asked.clear()
        await station.poll()
        assert not [v for pdu in agent.asked for v in pdu.varbinds if v.oid[-1] == 2], "what is gone is asked no more"
        agent.hold(interfaces(*PORTS))
        station.clock.skipped_ns += 3600 * NS_PER_S
        assert told((await station.poll())[1]) == WHOLE


def named(cells: dict[Oid, VarBind], names: dict[int, str]) -> dict[Oid, VarBind]:
    """Interfaces with other names than `eth<ifIndex>`."""
    texts = {
        (*base, n): VarBind((*base, n), ber.OCTET_STRING, name.encode()) for n, name in names.items() for base in ((*IF, 2), (*IFX, 1))
    }
    return cells | texts


SWAPPED = row(3) | {name.replace(" 2", " 1"): value for name, value in row(2).items()}
SWAPPED |= {name.replace(" 1", " 2"): value for name, value in row(1).items()}


async def test_values_follow_an_interface_to_its_new_number_and_never_go_to_another(path: str) -> None:
    """Two ports change their numbers between two polls without a word: no restart, no absent row."""
    agent = Agent(interfaces(*PORTS))
    async with lab(agent) as station:
        await station.poll()
        agent.hold(named(interfaces(*PORTS), {1: "eth2", 2: "eth1"}))
        answered, found = await station.poll()
        assert answered and {told(found)[name] for name in told(found) if name.endswith("octets 3")} == {3000.0}
        assert not set(told(found).items()) & (set(row(1).items()) | set(row(2).items())) - set(SWAPPED.items())
        station.clock.skipped_ns += 60 * NS_PER_S
        answered, found = await station.poll()
        assert (answered, told(found)) == (True, SWAPPED)
        assert station.problems["renumbered"] >= 2


async def test_a_number_that_another_interface_took_over_is_nobodys(path: str) -> None:
    agent = Agent(interfaces(*PORTS))
    async with lab(agent) as station:
        await station.poll()
        agent.hold(named(interfaces(*PORTS), {2: "tunnel7"}))
        station.clock.skipped_ns += 60 * NS_PER_S
        for _ in range(2):
            answered, found = await station.poll()
            assert (answered, told(found)) == (True, rows(1, 3))


async def test_an_agent_that_restarted_with_other_numbers_gives_no_value_to_another(path: str) -> None:
    agent = Agent(interfaces(*PORTS))
    async with lab(agent) as station:
        await station.poll()
        restarted = named(interfaces(*PORTS), {1: "eth2", 2: "eth1"})
        agent.hold(restarted | {SYS_UPTIME: VarBind(SYS_UPTIME, TIME_TICKS, 100)})
        answered, found = await station.poll()
        assert (answered, told(found)) == (True, SWAPPED), "learned and asked anew within the same poll"
        assert (await station.heard(), station.problems) == (["rebooted"], {})
        assert told((await station.poll())[1]) == SWAPPED


async def test_an_uptime_that_falls_by_seconds_is_no_restart(path: str) -> None:
    """Two answers that overtake each other, or a clock that is slewed."""
    agent = Agent(interfaces(*PORTS))
    async with lab(agent) as station:
        await station.poll()
        agent.hold(interfaces(*PORTS) | {SYS_UPTIME: VarBind(SYS_UPTIME, TIME_TICKS, 49_500)})
        assert told((await station.poll())[1]) == WHOLE


async def test_a_request_that_is_lost_is_asked_again_and_its_late_reply_is_counted(path: str) -> None:
    late = [0.8]
    before = refused()

    def behave(asked: Asked) -> None:
        asked.send(asked.answer(), after_s=late.pop() if late and asked.pdu.type is PduType.GET else 0.0)

    async with lab(Agent(interfaces(*PORTS), behave)) as station:
        answered, found = await station.poll()
        assert (answered, told(found), station.problems) == (True, WHOLE, {"timeout": 1})
        async with asyncio.timeout(60):
            while not (refused() - before)["late_or_duplicate"]:
                await asyncio.sleep(0.01)


# --- versions


async def test_version_1_without_getbulk_and_without_64_bits(path: str) -> None:
    def behave(asked: Asked) -> None:
        assert asked.pdu.type in (PduType.GET, PduType.GET_NEXT)
        asked.honestly()

    cells = without(interfaces(*PORTS, wide=False), IN_ERRORS_2)
    async with lab(Agent(cells, behave), credential=replace(PUBLIC, version="1")) as station:
        await station.poll()
        answered, found = await station.poll()
    assert (answered, told(found)) == (True, LESS_ERRORS_2)


def secured(engine: Engine, retries: int = 1) -> AbstractAsyncContextManager[Lab]:
    return lab(Agent(interfaces(*PORTS), v3=engine), credential=USER, retries=retries)


@pytest.mark.parametrize("jump_s", [400, -400])
async def test_a_clock_that_jumps_loses_nothing(jump_s: int, path: str) -> None:
    engine = Engine(USER)
    async with secured(engine) as station:
        await station.poll()
        engine.time_s += jump_s
        answered, found = await station.poll()
        assert (answered, told(found)) == (True, WHOLE)
        assert station.problems["not_in_time_window"] >= 1
        counted = dict(station.problems)
        assert told((await station.poll())[1]) == WHOLE and station.problems == counted, "followed for good"


@pytest.mark.parametrize("change", ["boots", "engine id"])
async def test_an_engine_that_is_another_is_followed(change: str, path: str) -> None:
    engine = Engine(USER)
    async with secured(engine) as station:
        await station.poll()
        if change == "boots":
            engine.boots, engine.time_s = engine.boots + 1, 1
        else:
            engine.engine_id += b"x"
        answered, found = await station.poll()
        assert (answered, told(found)) == (True, WHOLE)


async def test_a_wrong_digest_is_no_answer(path: str) -> None:
    engine = Engine(USER)
    async with secured(engine, retries=0) as station:
        await station.poll()
        engine.bend = lambda data: data[:-1] + bytes((data[-1] ^ 1,))
        answered, found = await station.poll()
        assert (answered, told(found)) == (False, {}) and station.problems["wrong_digest"] >= 1
        engine.bend = bytes
        assert told((await station.poll())[1]) == WHOLE


@pytest.mark.parametrize(("report", "reason"), [(1, "unsupported_security_level"), (3, "unknown_user"), (5, "wrong_digest")])
async def test_a_report_ends_the_poll_by_its_name_and_the_next_begins_anew(report: int, reason: str, path: str) -> None:
    engine = Engine(USER)
    async with secured(engine, retries=0) as station:
        await station.poll()
        engine.report = report
        answered, found = await station.poll()
        assert (answered, told(found)) == (False, {}) and station.problems[reason] >= 1
        engine.report = 0
        assert told((await station.poll())[1]) == WHOLE


@pytest.mark.slow
async def test_a_table_of_twenty_thousand_interfaces(path: str) -> None:
    indexes = tuple(range(20, 20_001, 20))
    async with lab(Agent(interfaces(*range(1, 20_001))), indexes=indexes, budget_s=60) as station:
        answered, found = await station.poll()
    assert (answered, told(found), station.problems) == (True, rows(*indexes), {})


async def test_an_agent_that_walks_a_name_and_does_not_give_it_is_polled_all_the_same(path: str) -> None:
    def behave(asked: Asked) -> None:
        names = {(*IFX, 1, n): VarBind((*IFX, 1, n), NO_SUCH_INSTANCE, None) for n in PORTS}
        asked.send(asked.answer(tuple(names.get(cell.oid, cell) for cell in asked.agent.found(asked.pdu))))

    async with lab(Agent(interfaces(*PORTS), only_get(behave))) as station:
        await station.poll()
        answered, found = await station.poll()
    assert (answered, told(found), station.problems) == (True, WHOLE, {})
