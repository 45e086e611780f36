"""Never twice, never to the wrong account: what moves while it is measured or after it was rated; and usage that cannot be right."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from billing_bridge.completeness import unguided
from billing_bridge.events import EventIn, Unread, take
from billing_bridge.guiding import FOREVER_NS, current_records
from billing_bridge.meter import Meter
from billing_bridge.proof import verify
from billing_bridge.store import usage_event, usage_rejected, usage_tally
from bss import ledger
from bss.billing import Biller
from bss.tariffs import Tariffs
from inventory.store import service, service_binding
from station.data import data_dir
from station.state import State
from tests.billing_bridge.metered import CLERK, DAY_NS, NS, PORT, ArraySource, add_customer, add_service, network, polled
from tests.bss.test_bss_billing import AUGUST, BSS, JULY, JUNE, SETTINGS, invoices

pytestmark = pytest.mark.slow  # each bills a month or two
MID = JUNE + 15 * DAY_NS
MBPS = 6  # five in, one out


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    made = State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
    await network(made)
    yield made
    await made.close()


def biller(state: State) -> Biller:
    return Biller(state, Tariffs(data_dir("config/tariffs")), BSS, SETTINGS)


async def octets(state: State) -> int:
    """What all current records of June's volume say."""
    async with state.read() as conn:
        records = await current_records(conn, 1, JUNE, JULY)
    return sum(row["in_octets"] + row["out_octets"] for row in records if row["meter"] == "volume")


async def amounts(state: State, month: str) -> dict[str, int]:
    """Net minor units of volume charged for a month's usage, by customer, corrections of later invoices counted in."""
    found: dict[str, int] = defaultdict(int)
    for row in await invoices(state):
        document = json.loads(str(row["document"]))
        for line in document["lines"]:
            period = line["period"]["name"]
            if period == month and line["charge"] == "2.volume":
                found[document["customer"]["number"]] += line["amount_minor"]
    return dict(found)


def price(gb: float) -> int:
    """Minor units of the tariff `volume` for so many gigabytes: 500 are included."""
    over = max(0.0, gb - 500)
    return round(100 * (min(over, 1000) * 0.08 + max(0.0, min(over, 10_000) - 1000) * 0.05 + max(0.0, over - 10_000) * 0.02))


async def test_a_collector_that_fails_over_within_a_slot_counts_every_octet_once(state: State) -> None:
    await add_service(state, 1, await add_customer(state, 1), "volume", {1: (0, 0)})
    whole = polled(JUNE, JULY, lambda n: (5, 1), every_s=150)
    cut = len(whole.time_ns) // 2 + 1  # in the middle of a slot of five minutes
    first, second = whole.take(slice(0, cut)), whole.take(slice(cut - 3, None))  # the second had begun before the first died
    source = ArraySource({PORT[1]: first})
    meter = Meter(state, CLERK, source, SETTINGS)
    await meter.run_once(JULY + DAY_NS)
    before = await octets(state)
    source.samples[PORT[1]] = first.joined(second.received(JULY + DAY_NS + 1))  # what it measured arrives later, some of it again
    await meter.run_once(JULY + 2 * DAY_NS, late=True)
    await meter.run_once(JULY + 2 * DAY_NS, late=True)
    assert before < await octets(state) == int(MBPS * 125_000 * (JULY - JUNE) // NS)
    await biller(state).run(CLERK, "2026-06", JULY + 3 * DAY_NS)
    assert await amounts(state, "2026-06") == {"K-1": price(MBPS * 125_000 * 30 * 86_400 / 1e9)}
    async with state.read() as conn:
        assert await unguided(conn, CLERK, 0, FOREVER_NS) == []
    assert await verify(state, CLERK) is None


async def test_a_port_that_turns_out_to_be_anothers_after_it_was_rated_is_credited_there_and_charged_here(state: State) -> None:
    await add_service(state, 1, await add_customer(state, 1), "volume", {1: (0, 0)})
    await add_service(state, 2, await add_customer(state, 2), "volume", {})
    source = ArraySource({PORT[1]: polled(JUNE, AUGUST, lambda n: (5, 1))})
    meter = Meter(state, CLERK, source, SETTINGS)
    await meter.run_once(JULY + DAY_NS)
    await biller(state).run(CLERK, "2026-06", JULY + 3 * DAY_NS)
    month = MBPS * 125_000 * 30 * 86_400 / 1e9
    assert (await amounts(state, "2026-06"))["K-1"] == price(month)
    async with state.write() as conn:  # since the 16th it had been the other's
        await conn.execute(sa.update(service_binding).values(valid_to_ns=MID))
        row = {"tenant": 1, "id": "late", "service_id": "service-2", "device_no": 1, "entity_no": 1, "role": "access"}
        await conn.execute(sa.insert(service_binding).values(**row, valid_from_ns=MID, valid_to_ns=0))
    await meter.run_once(AUGUST + DAY_NS)
    await biller(state).run(CLERK, "2026-07", AUGUST + 3 * DAY_NS)
    assert await amounts(state, "2026-06") == {"K-1": price(month / 2), "K-2": price(month / 2)}
    async with state.read() as conn:
        assert await unguided(conn, CLERK, 0, FOREVER_NS) == []
        assert sum((await ledger.balances(conn, CLERK)).values()) == 0
    again = await biller(state).run(CLERK, "2026-07", AUGUST + 4 * DAY_NS)
    assert again.made == 0 and await verify(state, CLERK) is None


async def test_a_service_that_moves_within_the_month_has_each_port_while_it_held_it(state: State) -> None:
    await add_service(state, 1, await add_customer(state, 1), "volume", {1: (0, MID), 2: (MID, 0)})
    await add_service(state, 2, await add_customer(state, 2), "volume", {1: (MID, 0)})  # and another takes the old port
    source = ArraySource({PORT[1]: polled(JUNE, JULY, lambda n: (5, 1)), PORT[2]: polled(JUNE, JULY, lambda n: (50, 10))})
    await Meter(state, CLERK, source, SETTINGS).run_once(JULY + DAY_NS)
    await biller(state).run(CLERK, "2026-06", JULY + 3 * DAY_NS)
    half = 125_000 * 15 * 86_400 / 1e9
    assert await amounts(state, "2026-06") == {"K-1": price(66 * half), "K-2": price(6 * half)}
    async with state.read() as conn:
        assert await unguided(conn, CLERK, 0, FOREVER_NS) == []


async def test_a_service_that_moves_to_another_customer_is_charged_to_each_for_its_part(state: State) -> None:
    await add_service(state, 1, await add_customer(state, 1), "volume", {1: (0, MID)}, active_to_ns=MID)
    await add_service(state, 2, await add_customer(state, 2), "volume", {1: (MID, 0)}, active_from_ns=MID)
    source = ArraySource({PORT[1]: polled(JUNE, JULY, lambda n: (5, 1))})
    await Meter(state, CLERK, source, SETTINGS).run_once(JULY + DAY_NS)
    await biller(state).run(CLERK, "2026-06", JULY + 3 * DAY_NS)
    half = MBPS * 125_000 * 15 * 86_400 / 1e9
    assert await amounts(state, "2026-06") == {"K-1": price(half), "K-2": price(half)}


NOON = JULY + DAY_NS // 2


def event(**said: Any) -> EventIn:
    facts = {"source": "msc", "external_id": "cdr-1", "meter": "voice_seconds", "service": "S-1", "time_ns": JUNE + DAY_NS, "quantity": 60}
    return EventIn(**(facts | said))


OUTCOMES = [
    ("duplicate", [event(), event()], ["accepted", "duplicate_same"], []),
    ("conflicting", [event(), event(quantity=61)], ["accepted", "duplicate_conflict"], ["duplicate_conflict"]),
    ("negative", [event(quantity=-1)], ["rejected"], ["negative"]),
    ("future", [event(time_ns=NOON + 2 * DAY_NS)], ["rejected"], ["future"]),
    ("year old", [event(time_ns=JUNE - 500 * DAY_NS)], ["rejected"], ["too_old"]),
    ("unparsable", [Unread("msc", b"\xff{", "unparsable")], ["rejected"], ["unparsable"]),
    ("too large", [event(quantity=1 << 64)], ["rejected"], ["too_large"]),
    ("of our own meters", [event(meter="volume")], ["rejected"], ["measured_here"]),
]


@pytest.mark.parametrize(("arrived", "verdicts", "kept"), [each[1:] for each in OUTCOMES], ids=[each[0] for each in OUTCOMES])
async def test_usage_that_cannot_be_right_has_its_outcome_and_the_books_balance(
    arrived: list[Any], verdicts: list[str], kept: list[str], state: State
) -> None:
    await add_service(state, 1, await add_customer(state, 1), "voice", {})
    assert [one.kind.value for one in await take(state, CLERK, arrived, SETTINGS, NOON)] == verdicts
    async with state.read() as conn:
        n = (await conn.execute(sa.select(sa.func.count()).select_from(usage_event))).scalar_one()
        rejected = (await conn.execute(sa.select(usage_rejected.c.kind, usage_rejected.c.reason))).all()
        tally = {(row.verdict, row.reason): row.n for row in await conn.execute(sa.select(usage_tally))}
    assert n == verdicts.count("accepted") and [reason or kind for kind, reason in rejected] == kept
    assert tally["received", ""] == len(arrived) == sum(count for (verdict, _), count in tally.items() if verdict != "received")


async def test_usage_of_an_unknown_service_waits_with_its_reason_and_is_billed_when_the_service_is_known(state: State) -> None:
    await add_customer(state, 1)
    await take(state, CLERK, [event(service="S-9")], SETTINGS, NOON)
    async with state.read() as conn:
        row = (await conn.execute(sa.select(usage_event.c.state, usage_event.c.reason))).one()
    assert tuple(row) == ("recycled", "no_service")
    await add_service(state, 9, "customer-1", "voice", {})
    report = await biller(state).run(CLERK, "2026-06", JULY + 3 * DAY_NS)
    assert report.made == 1
    async with state.read() as conn:
        assert (await conn.execute(sa.select(sa.func.count()).select_from(service))).scalar_one() == 1
