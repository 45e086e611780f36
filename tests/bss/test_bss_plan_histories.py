"""Whatever changes of tariff become known when, what was billed for each period in the end is what the final plan costs."""

import random
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from bss.cycles import days_of
from bss.money import Rounding, share
from bss.plans import stretches
from bss.store import billed_period, billing_profile, service_plan
from station.state import State
from tests.billing_bridge.metered import CLERK, add_customer, add_service, at
from tests.bss.test_bss_cycle_runs import Shop

pytestmark = pytest.mark.slow
FEES = {"ahead": 3_100, "behind": 6_217, "dear": 9_301}


async def change(state: State, day: date, made: str, tariff: str, was: str) -> None:
    async with state.write() as conn:
        row = {"tenant": 1, "service_id": "service-1", "day": day.isoformat(), "made_ns": at(made), "made_by": "clerk"}
        await conn.execute(sa.insert(service_plan).values(**row, tariff=tariff, was=was))


def cost(plan: list[dict[str, object]], name: str, nominal: int) -> int:
    """Minor units of a span under the plan: each stretch's share of the fee, by days of the whole period."""
    first, after, _ = days_of(name, ZoneInfo("UTC"))
    found = stretches({"id": "service-1", "tariff": "ahead"}, plan, first, after)
    return sum(share(FEES[one.tariff], (one.high - one.low).days, nominal, Rounding.HALF_UP) for one in found)


@pytest.mark.parametrize("seed", range(4))
async def test_every_period_costs_what_the_final_plan_says(seed: int, state: State, tmp_path: Path) -> None:
    rng, shop = random.Random(seed), Shop(state, tmp_path)
    shop.flat("ahead", "31", 'billed = "advance"', since="2025-01-01")
    shop.flat("behind", "62.17", since="2025-01-01")
    shop.flat("dear", "93.01", 'billed = "advance"', since="2025-01-01")
    await add_service(state, 1, await add_customer(state, 1), "ahead", {})
    if seed % 2:
        async with state.write() as conn:
            await conn.execute(sa.insert(billing_profile).values(tenant=1, customer_id="customer-1", cycle="R/2026-01-31/P1M"))
    billed: dict[str, int] = {}
    now, n = date(2026, 3, 1), 0
    while now < date(2026, 12, 20):
        now += timedelta(days=rng.randint(3, 25))
        if now < date(2026, 10, 1) and rng.random() < 0.6:
            n += 1
            day = now + timedelta(days=rng.randint(-50, 40))
            await change(state, max(day, date(2026, 3, 1)), f"{now.isoformat()}T00:00:{n:02d}", rng.choice(sorted(FEES)), "ahead")
        for name in await shop.biller.due(CLERK, at(now.isoformat()) + 10**11):
            for found in await shop.run(name, now.isoformat() + "T00:02:00"):
                for line in found["lines"]:
                    billed[line["period"]["name"]] = billed.get(line["period"]["name"], 0) + line["amount_minor"]
    async with state.read() as conn:
        plan = [dict(row) for row in (await conn.execute(sa.select(service_plan))).mappings()]
        names = list((await conn.execute(sa.select(billed_period.c.period).order_by(billed_period.c.start_ns))).scalars())
    days = [days_of(name, shop.biller.billing.zone) for name in names]
    expected = {name: cost(plan, name, (after - first).days) for name, (first, after, _) in zip(names, days, strict=True)}
    assert len(names) > 7 and {name: billed.get(name, 0) for name in names} == expected
