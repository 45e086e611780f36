"""The engine in columns gives what the scalar oracle gives, to the minor unit, whatever the tariff and the usage are."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_bridge.periods import Period
from billing_bridge.slots import SLOT_NS
from bss.metrics import RATED_BY_ORACLE
from bss.rating.allowance import Rollover, Share, distributed
from bss.rating.engine import batch_of, rate_batch
from bss.rating.price import Bandwidth, ServiceUsage, UsageEvent
from bss.rating.terms import Cut
from bss.tariffs import TariffVersion, parse, rate
from station.clock import NS_PER_S

ROUNDINGS = st.sampled_from(["half_up", "half_even", "up", "down"])
PRORATIONS = st.sampled_from(["none", "by_days", "by_30_days", "thirty_360", "by_seconds", "whole_only"])
EDGES = st.sampled_from(["by_rule", "whole", "nothing"])
METERS = st.sampled_from(["volume", "messages", "seconds"])
SPRING = 1_774_656_000  # 28 March 2026, the day before Europe's clocks are set

Text = st.SearchStrategy[str]


def money(places: int = 4, most: int = 50) -> Text:
    return st.decimals(0, most, places=places).map(lambda value: f'"{value}"')


def positive(most: int = 1000, places: int = 3) -> Text:
    return st.decimals(Decimal(1).scaleb(-places), most, places=places).map(lambda value: f'"{value}"')


@st.composite
def metered(draw: st.DrawFn, kind: str) -> list[str]:
    size = draw(st.sampled_from([1, 7, 60, 1024, 10**6]))
    quantum = draw(st.sampled_from(["0.001", "0.3", "1", "5"]))
    direction = draw(st.sampled_from(["sum", "in", "out", "higher_direction"]))
    meter = draw(METERS)
    aggregate = "sum" if meter == "volume" else draw(st.sampled_from(["sum", "count", "max", "latest", "unique"]))
    return [
        f'kind = "{kind}"',
        f'meter = "{meter}"',
        f'aggregate = "{aggregate}"',
        f'direction = "{direction}"',
        f"unit_size = {size}",
        f'quantum = "{quantum}"',
        f'quantity_rounding = "{draw(ROUNDINGS)}"',
    ]


@st.composite
def tiers(draw: st.DrawFn, *, price: bool = True) -> str:
    bounds = sorted(draw(st.sets(st.decimals("0.0001", 500, places=4), max_size=3)))
    rows = []
    for bound in [*bounds, None]:
        row = [f'up_to = "{bound}"'] if bound is not None else []
        row += [f"price = {draw(money())}"] if price else []
        rows.append("{ " + ", ".join([*row, f"flat = {draw(money(2))}"]) + " }")
    return f"tiers = [{', '.join(rows)}]"


@st.composite
def charge(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from(sorted(BODIES)))
    return "[[charges]]\n" + "\n".join(draw(BODIES[kind]))


@st.composite
def volume(draw: st.DrawFn) -> list[str]:
    included = f'included_gb = {draw(positive(5))}\nincluded_proration = "{draw(PRORATIONS)}"'
    head = ['kind = "volume"', f'quantum_gb = "{draw(st.sampled_from(["0.001", "1"]))}"', included]
    return [*head, f"tiers = [{{ up_to_gb = {draw(positive(3))}, price = {draw(money())} }}, {{ price = {draw(money())} }}]"]


@st.composite
def bursting(draw: st.DrawFn, kind: str) -> list[str]:
    rule = {
        "percentile": f'percent = "{draw(st.decimals(1, 100, places=1))}"\nrank = "{draw(st.sampled_from(RANKS))}"',
        "burst": f'rule = "{draw(st.sampled_from(["peak", "mean", "mean_of_top"]))}"\ntop = {draw(st.integers(1, 9))}',
    }[kind]
    return [
        f'kind = "{kind}"',
        rule,
        f'direction = "{draw(st.sampled_from(["higher_direction", "slot_max", "sum", "in", "out"]))}"',
        f'missing = "{draw(st.sampled_from(["exclude", "accept_interpolated", "zero"]))}"',
        f'rate_quantum_mbps = "{draw(st.sampled_from(["0.01", "0.3", "1"]))}"\nrate_rounding = "{draw(ROUNDINGS)}"',
        f'commit_mbps = {draw(money(1))}\ncommit_price = {draw(money())}\ncommit_proration = "{draw(PRORATIONS)}"',
        f"overage_price = {draw(money())}",
    ]


RANKS = ["nearest_rank", "drop_top", "round_rank", "floor_rank", "next_rank", "linear"]


@st.composite
def per_event(draw: st.DrawFn) -> list[str]:
    prefixes = draw(st.sets(st.text("0139", min_size=1, max_size=4), max_size=6))
    bands = '[{ name = "night", start = "20:00" }, { name = "day", days = ["mon", "sun", "holiday"], start = "02:30", until = "20:00" }]'
    zones = [f'{{ name = "z{p}", prefixes = ["{p}"], price = {draw(money())}, setup = {draw(money(2, 1))} }}' for p in sorted(prefixes)]
    rest = f'{{ name = "rest", prefixes = [""], price = {draw(money())}, bands = {{ night = {draw(money())}, day = "0.1" }} }}'
    quantum = draw(st.sampled_from(["", 'event_quantum = "0.0001"', 'event_quantum = "0.03"']))
    return [
        f'kind = "per_event"\nmeter = "{draw(st.sampled_from(["messages", "seconds"]))}"\nunit_size = {draw(st.sampled_from([1, 60, 7]))}',
        f"initial = {draw(st.integers(1, 90))}\nincrement = {draw(st.integers(1, 90))}",
        f'{quantum}\ntime_zone = "Europe/Berlin"\nholidays = [2026-03-30]',
        f"bands = {bands}\nzones = [{', '.join([*zones, rest])}]",
    ]


def joined(kind: str, *more: Text) -> st.SearchStrategy[list[str]]:
    return st.tuples(metered(kind), *more).map(lambda parts: [*parts[0], *parts[1:]])


def prefixed(name: str, value: Text) -> Text:
    return value.map(lambda text: f"{name} = {text}")


def quoted(name: str, value: Text) -> Text:
    return value.map(lambda text: f'{name} = "{text}"')


BODIES: dict[str, Any] = {
    "flat": st.tuples(
        st.just('kind = "flat"'),
        prefixed("amount", money(12)),
        quoted("proration", PRORATIONS),
        quoted("per", st.sampled_from(["period", "month"])),
        *(quoted(name, EDGES) for name in ("on_start", "on_end", "on_change")),
    ).map(list),
    "per_unit": joined("per_unit", prefixed("price", money(6))),
    "graduated": joined("graduated", tiers()),
    "volume_tier": joined("volume_tier", tiers()),
    "block": joined("block", tiers(price=False)),
    "package": joined(
        "package",
        prefixed("size", positive()),
        prefixed("free", money(3)),
        prefixed("price", money(3)),
        quoted("package_rounding", ROUNDINGS),
    ),
    "percentage": st.tuples(
        st.just('kind = "percentage"'),
        quoted("meter", st.sampled_from(["messages", "seconds"])),
        prefixed("percent", money(3)),
        prefixed("fixed", money(2, 1)),
        prefixed("free_events", st.integers(0, 4).map(str)),
        prefixed("free_worth", money(2)),
        st.sampled_from(["", 'event_minimum = "0.05"', 'event_minimum = "0.01"\nevent_maximum = "3"', 'event_maximum = "0.5"']),
    ).map(list),
    "early_termination": st.tuples(
        st.just('kind = "early_termination"\nterm_months = 24'),
        prefixed("fixed", money(2)),
        prefixed("per_month", money(3)),
        st.sampled_from(["", 'most = "99.99"']),
    ).map(list),
    "allowance": joined(
        "allowance",
        prefixed("amount", positive()),
        quoted("proration", PRORATIONS),
        st.sampled_from(['rollover = "one_period"', 'share = "customer_by_use"', 'rollover = "accumulate"\nrollover_max = "3"']),
    ),
    "volume": volume(),
    "percentile": bursting("percentile"),
    "burst": bursting("burst"),
    "per_event": per_event(),
    "discount": st.one_of(
        st.tuples(st.just('kind = "discount"'), prefixed("percent", money(2))),
        st.tuples(st.just('kind = "discount"\nof = [1, 2]'), prefixed("amount", money(2))),
    ).map(list),
    "cap": st.tuples(st.just('kind = "cap"'), prefixed("amount", money(3)), quoted("proration", PRORATIONS)).map(list),
    "minimum": st.tuples(st.just('kind = "minimum"'), prefixed("amount", money(3)), quoted("proration", PRORATIONS)).map(list),
}


@st.composite
def tariff(draw: st.DrawFn) -> TariffVersion:
    currency = draw(st.sampled_from(["EUR", "JPY", "BHD"]))
    head = f'summary = "s"\ncurrency = "{currency}"\nrounding = "{draw(ROUNDINGS)}"\n'
    return parse("t", date(2026, 1, 1), head + "\n".join(draw(st.lists(charge(), min_size=1, max_size=5))))


@st.composite
def cut(draw: st.DrawFn, days: int) -> Cut:
    return Cut(days, draw(st.sampled_from([0, days * 80_000])), 0, draw(st.booleans()))


@st.composite
def usage(draw: st.DrawFn) -> ServiceUsage:
    days = draw(st.integers(28, 31))
    active = draw(st.one_of(st.just(days), st.integers(0, days)))
    before, after = draw(cut(days - active)), draw(cut(0))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.sampled_from([0, 1, 20, 300]))
    octets = rng.integers(0, draw(st.sampled_from([4, 10**9])), (2, n)).astype(np.uint64)
    slots = Bandwidth(np.arange(n) * SLOT_NS, octets[0], octets[1], rng.integers(0, 4, n).astype(np.uint8))
    keys = st.text("0139", max_size=6)
    event = st.builds(UsageEvent, st.integers(SPRING, SPRING + 4 * 86_400).map(lambda s: s * NS_PER_S), st.integers(0, 4000), keys)
    return ServiceUsage(
        Period(0, 0, "m"),
        days,
        active,
        volume_in_octets=draw(st.integers(0, 10**11)),
        volume_out_octets=draw(st.integers(0, 10**11)),
        bandwidth=slots,
        seconds=days * 86_400 - draw(st.sampled_from([0, 3600])),
        active_seconds=active * 80_000,
        quantities={"messages": draw(st.integers(0, 10**7))},
        events={"seconds": draw(st.lists(event, max_size=8)), "messages": draw(st.lists(event, max_size=2))},
        carried={1: draw(st.integers(0, 10**6)), 2: draw(st.integers(0, 10**6))},
        pooled={1: draw(st.integers(0, 10**6)), 3: draw(st.integers(0, 10**6))},
        days_360=30,
        active_days_360=min(active, 29) if active < days else 30,
        before=before,
        after=after,
        months=draw(st.sampled_from([0, 1, 3, 12])),
        ended_after=draw(st.sampled_from([-1, 0, 5, 23, 24, 40])),
    )


def by_oracle(versions: list[TariffVersion], rated: list[tuple[int, ServiceUsage]]) -> list[tuple[int, str, Decimal, int]]:
    return [(n, item.charge, item.quantity, item.amount_minor) for n, (t, used) in enumerate(rated) for item in rate(versions[t], used)]


def by_engine(versions: list[TariffVersion], rated: list[tuple[int, ServiceUsage]]) -> list[tuple[int, str, Decimal, int]]:
    lines = rate_batch(versions, batch_of(rated)).iter_rows(named=True)
    return [(line["service"], line["charge"], line["quanta"] * Decimal(line["quantum"]), line["amount_minor"]) for line in lines]


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(st.lists(tariff(), min_size=1, max_size=2), st.lists(usage(), min_size=1, max_size=3), st.data())
def test_columns_give_the_minor_units_of_the_oracle(versions: list[TariffVersion], used: list[ServiceUsage], data: st.DataObject) -> None:
    rated = [(data.draw(st.integers(0, len(versions) - 1)), one) for one in used]
    before = RATED_BY_ORACLE._value.get()
    assert by_engine(versions, rated) == by_oracle(versions, rated), [version.text for version in versions]
    assert RATED_BY_ORACLE._value.get() == before


def plain(**changes: Any) -> ServiceUsage:
    return replace(ServiceUsage(Period(0, 0, "m"), 30, 30, seconds=2_592_000, active_seconds=2_592_000), **changes)


HEAD = 'summary = "s"\ncurrency = "EUR"\nrounding = "half_up"\n[[charges]]\n'


def test_numbers_beyond_the_columns_are_rated_by_the_oracle_and_counted() -> None:
    text = HEAD + 'kind = "per_unit"\nmeter = "messages"\nunit_size = 1\nquantum = "0.000000000001"\nprice = "999999.999999999999"\n'
    rated = [(0, plain(quantities={"messages": 2**62}))]
    versions = [parse("t", date(2026, 1, 1), text)]
    before = RATED_BY_ORACLE._value.get()
    assert by_engine(versions, rated) == by_oracle(versions, rated)
    assert RATED_BY_ORACLE._value.get() == before + 1


def test_a_charge_that_is_not_due_is_nothing_to_cap() -> None:
    text = HEAD + 'kind = "early_termination"\nterm_months = 24\nfixed = "10"\n[[charges]]\nkind = "cap"\namount = "1"\n'
    versions, rated = [parse("t", date(2026, 1, 1), text)], [(0, plain(ended_after=served)) for served in (-1, 24, 3)]
    assert by_engine(versions, rated) == by_oracle(versions, rated)
    assert [row[3] for row in by_oracle(versions, rated)] == [0, 0, 1000, -900]


def test_a_key_that_is_no_number_belongs_to_the_rest() -> None:
    text = HEAD + 'kind = "per_event"\nmeter = "m"\nunit_size = 1\n'
    text += 'zones = [{ name = "one", prefixes = ["1"], price = "1" }, { name = "rest", prefixes = [""], price = "2" }]\n'
    rated = [(0, plain(events={"m": [UsageEvent(0, 1, key) for key in ("1", "19", "x1", "", "\u0661")]}))]
    versions = [parse("t", date(2026, 1, 1), text)]
    assert [row[3] for row in by_engine(versions, rated)] == [800] and by_engine(versions, rated) == by_oracle(versions, rated)


@given(st.sampled_from([Share.CUSTOMER_BY_USE, Share.CUSTOMER_IN_ORDER]), st.integers(0, 10**6), st.lists(st.integers(0, 10**6)))
def test_a_shared_pool_is_given_out_whole_and_nobody_gets_more_than_it_wants(rule: Share, pool: int, wanted: list[int]) -> None:
    parts = distributed(rule, pool, wanted)
    assert sum(parts) == min(pool, sum(wanted))
    assert all(0 <= part <= want for part, want in zip(parts, wanted, strict=True))


@pytest.mark.parametrize(
    ("rollover", "carried", "used", "left"),
    [
        (Rollover.NONE, 0, 10, 0),
        (Rollover.ONE_PERIOD, 30, 10, 100),  # what was carried is used first, the rest of it expires
        (Rollover.ONE_PERIOD, 30, 50, 80),
        (Rollover.ACCUMULATE, 30, 10, 120),
        (Rollover.ACCUMULATE, 0, 200, 0),
    ],
)
def test_what_is_left_of_an_allowance_rolls_over_by_its_rule(rollover: Rollover, carried: int, used: int, left: int) -> None:
    text = HEAD + f'kind = "allowance"\nmeter = "m"\nunit_size = 1\namount = "100"\nrollover = "{rollover.value}"\n'
    item = rate(parse("t", date(2026, 1, 1), text), plain(quantities={"m": used}, carried={1: carried}))[0]
    assert (item.computation["carried_out"], item.computation["used"]) == (left, min(used, 100 + carried))
