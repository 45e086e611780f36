"""The meter goes on: a store that does not answer, days of 23 and 25 hours, 29 February."""

from dataclasses import dataclass

import pytest

from billing_bridge import periods
from billing_bridge.guiding import current_records
from billing_bridge.meter import Meter
from billing_bridge.metrics import METER_FAILED
from billing_bridge.settings import BillingSettings
from billing_bridge.slots import SLOT_NS
from station.state import State
from station.telemetry.client import TelemetryError, TelemetryUnavailableError
from tests.billing_bridge.metered import CLERK, DAY_NS, PORT, Arrays, ArraySource, add_customer, add_service, at, network, polled

pytestmark = pytest.mark.slow  # each makes a store and a month on both engines

JUNE = at("2026-06-01")


@dataclass
class Failing(ArraySource):
    """Raises `error` for one port until it is taken away."""

    error: Exception | None = None

    async def interface_samples(self, entity_key: int, start_ns: int, end_ns: int) -> Arrays:
        if self.error is not None and entity_key == PORT[1]:
            raise self.error
        return await ArraySource.interface_samples(self, entity_key, start_ns, end_ns)


@pytest.mark.parametrize("error", [OSError("gone"), TelemetryError("no such table", 60), TelemetryUnavailableError("refused")])
async def test_a_port_that_cannot_be_read_is_counted_and_measured_by_the_next_run(error: Exception, any_state: State) -> None:
    await network(any_state)
    customer = await add_customer(any_state, 1)
    for n in (1, 2):
        await add_service(any_state, n, customer, "volume", {n: (0, 0)})
    source = Failing({PORT[n]: polled(JUNE, JUNE + DAY_NS, lambda _: (8, 4)) for n in (1, 2)}, error=error)
    meter, failed = Meter(any_state, CLERK, source, BillingSettings()), METER_FAILED._value.get()
    first = await meter.run_once(JUNE + 2 * DAY_NS)
    assert (first.produced, first.failed_points) == (2, 1) and METER_FAILED._value.get() == failed + 1
    source.error = None
    again = await meter.run_once(JUNE + 2 * DAY_NS + SLOT_NS)
    assert (again.produced, again.failed_points) == (2, 0)


@pytest.mark.parametrize(("date", "slots"), [("2026-03-29", 276), ("2026-10-25", 300), ("2028-02-29", 288)])
async def test_a_day_has_the_slots_of_its_hours(date: str, slots: int, any_state: State) -> None:
    settings = BillingSettings(time_zone="Europe/Berlin", lookback_days=5)
    await network(any_state)
    await add_service(any_state, 1, await add_customer(any_state, 1), "volume", {1: (0, 0)})
    day = next(iter(periods.days_between(at(date) + DAY_NS // 2, at(date) + DAY_NS // 2 + 1, settings.zone)))
    assert day.name == date and (day.end_ns - day.start_ns) // SLOT_NS == slots
    source = ArraySource({PORT[1]: polled(day.start_ns, day.end_ns, lambda _: (8, 4))})
    report = await Meter(any_state, CLERK, source, settings).run_once(day.end_ns + DAY_NS // 2)
    assert report.produced == 2
    async with any_state.read() as conn:
        rows = await current_records(conn, 1, 0)
    assert {(row["start_ns"], row["end_ns"], row["in_octets"]) for row in rows} == {(day.start_ns, day.end_ns, slots * 300 * 10**6)}


def test_a_leap_february_has_29_days_and_its_neighbours_28() -> None:
    zone = BillingSettings(time_zone="Europe/Berlin").zone
    lengths = [
        len(list(periods.days_between(month.start_ns, month.end_ns, zone)))
        for month in (periods.month(f"{year}-02", zone) for year in (2027, 2028, 2100))
    ]
    assert lengths == [28, 29, 28]
