"""Usage taken in: a verdict for each record, nothing unaccounted for, every change found."""

import sqlalchemy as sa

from billing_bridge.book import ingest
from billing_bridge.completeness import accounts, unguided
from billing_bridge.guiding import FOREVER_NS, guide
from billing_bridge.meter import day_records
from billing_bridge.points import MeteringPoint
from billing_bridge.proof import verify
from billing_bridge.settings import BillingSettings
from billing_bridge.slots import slots_of
from billing_bridge.store import usage_record
from billing_bridge.usage import UsageRecord
from station.state import State
from tests.billing_bridge.metered import CLERK, DAY_NS, add_customer, add_service, at, network, polled, port_id

JUNE = at("2026-06-01")
SETTINGS = BillingSettings()
POINT = MeteringPoint(port_id(1), 65537, "d", "p", 10**9, True, ((0, FOREVER_NS),))


async def test_a_replayed_batch_with_rubbish_in_it_changes_nothing_and_balances(any_state: State) -> None:
    await network(any_state)
    slots = slots_of(polled(JUNE, JUNE + DAY_NS, lambda n: (8, 4)), JUNE, JUNE + DAY_NS, speed_bps=10**9, span_max_ms=900_000)
    records = list(day_records(1, POINT, slots))
    batch: list[UsageRecord | bytes] = [*records, b"{", records[0].to_json()]
    for expected in (["accepted", "accepted", "rejected", "duplicate_same"], ["duplicate_same"] * 2 + ["rejected", "duplicate_same"]):
        async with any_state.write() as conn:
            verdicts = await ingest(conn, CLERK, batch, SETTINGS, JUNE + 2 * DAY_NS)
        assert [verdict.kind for verdict in verdicts] == expected
    async with any_state.read() as conn:
        held = await accounts(conn, CLERK)
    assert all(account.balanced for account in held.values())
    assert sum(account.received for account in held.values()) == 8
    assert await verify(any_state, CLERK) is None


async def test_suspense_is_retried_and_a_port_that_changes_hands_is_billed_once(any_state: State) -> None:
    await network(any_state)
    slots = slots_of(polled(JUNE, JUNE + DAY_NS, lambda n: (8, 4)), JUNE, JUNE + DAY_NS, speed_bps=10**9, span_max_ms=900_000)
    async with any_state.write() as conn:
        await ingest(conn, CLERK, list(day_records(1, POINT, slots)), SETTINGS, JUNE + 2 * DAY_NS)
    assert (await guide(any_state, CLERK, JUNE, JUNE + 2 * DAY_NS)).recycled == 2
    noon = JUNE + DAY_NS // 2
    await add_service(any_state, 1, await add_customer(any_state, 1), "volume", {1: (0, noon)})
    await add_service(any_state, 2, await add_customer(any_state, 2), "volume", {1: (noon, 0)})
    report = await guide(any_state, CLERK, JUNE, JUNE + 3 * DAY_NS)
    assert (report.changed, report.recycled) == (2, 0)
    assert (await guide(any_state, CLERK, JUNE, JUNE + 4 * DAY_NS)).changed == 0
    async with any_state.read() as conn:
        assert await unguided(conn, CLERK, 0, FOREVER_NS) == []


async def test_one_changed_octet_is_found(any_state: State) -> None:
    await network(any_state)
    slots = slots_of(polled(JUNE, JUNE + DAY_NS, lambda n: (8, 4)), JUNE, JUNE + DAY_NS, speed_bps=10**9, span_max_ms=900_000)
    async with any_state.write() as conn:
        await ingest(conn, CLERK, list(day_records(1, POINT, slots)), SETTINGS, JUNE + 2 * DAY_NS)
        await conn.execute(sa.update(usage_record).where(usage_record.c.seq == 2).values(in_octets=usage_record.c.in_octets + 1))
    broken = await verify(any_state, CLERK)
    assert broken is not None and (broken.book, broken.seq) == ("usage_record", 2)
