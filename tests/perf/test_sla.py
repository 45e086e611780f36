"""Service levels: sets of instants against a brute-force oracle, promises' own examples, months with odd days, redundancy."""

from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.sla.intervals import Spans, at_least, common, length, union, without
from perf.sla.measure import NS_PER_S, Port, State, result, state_of
from perf.sla.objectives import SLOT_NS, credit_of, kept, slots_within
from perf.sla.terms import ExampleSla, Objective, Sla, load, shipped
from station.settings import SettingsError

EXAMPLES = [(name, one) for name, sla in shipped().by_name.items() for one in sla.examples]
HOUR = 3600 * NS_PER_S
spans = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6)


def instants(some: Spans) -> set[int]:
    return {at for low, high in some for at in range(low, high)}


@given(st.lists(spans, min_size=1, max_size=4), st.integers(1, 4))
def test_sets_of_instants_are_sets(sets: list[Spans], k: int) -> None:
    held = [instants(each) for each in sets]
    everywhere = set(range(31))
    assert instants(union(*sets)) == set.union(*held)
    assert instants(common(*sets)) == set.intersection(*held)
    assert instants(at_least(k, sets)) == {at for at in everywhere if sum(at in each for each in held) >= k}
    assert instants(without(sets[0], sets[-1])) == held[0] - held[-1]
    for found in (union(*sets), common(*sets), without(sets[0], sets[-1])):
        assert all(a[1] < b[0] for a, b in pairwise(found)), "in order and apart"
        assert length(found) == len(instants(found))


def local(sla: Sla, pairs: tuple[tuple[datetime, datetime], ...]) -> Spans:
    def at(moment: datetime) -> int:
        return int(moment.replace(tzinfo=sla.zone).timestamp()) * NS_PER_S

    return [(at(begin), at(end)) for begin, end in pairs]


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=lambda value: value.says if isinstance(value, ExampleSla) else value)
def test_every_promise_gives_what_its_examples_say(name: str, example: ExampleSla) -> None:
    sla = shipped().by_name[name]
    month = sla.month(example.month)
    state = State(local(sla, example.outages), local(sla, example.unknown))
    excluded = local(sla, example.excluded)
    found = result(sla, month, month, state, excluded, month[1])
    up = without(without(sla.counted(month), excluded), state.down)
    count = (month[1] - month[0]) // SLOT_NS
    judged = [kept(one, measured(sla, example, one, count), slots_within(up, month[0], count), sla.unknown) for one in sla.objectives]
    missed = [one for one in judged if one.met is False]
    assert (str(found.availability), tuple(one.of.sli for one in missed)) == (example.availability, example.missed)
    assert credit_of(sla, found.credit_percent, missed) == example.credit


def measured(sla: Sla, example: ExampleSla, objective: Objective, count: int) -> npt.NDArray[np.float64]:
    """The slots of the example's month: as good as can be but where the example says otherwise."""
    values = np.full(count, np.inf if objective.sli == "throughput" else 0.0)
    begin = sla.month(example.month)[0]
    for one in example.measured:
        if one.sli == objective.sli:
            values[slots_within(local(sla, ((one.start, one.until),)), begin, count)] = float(one.value)
    return values


def promise(**more: object) -> Sla:
    return Sla.model_validate({"summary": "s", "availability": "99.9", **more})


def test_a_month_is_as_long_as_its_days() -> None:
    berlin = promise(time_zone="Europe/Berlin")
    hours = [length([berlin.month(f"2026-{n:02d}")]) / HOUR for n in (2, 3, 4, 10, 12)]
    assert hours == [28 * 24, 31 * 24 - 1, 30 * 24, 31 * 24 + 1, 31 * 24]


def test_hours_over_midnight_and_into_the_next_month_are_cut_at_its_end() -> None:
    night = promise(hours=[{"days": ["sat"], "start": "22:00", "until": "06:00"}])
    counted = night.counted(night.month("2026-01"))  # the last Saturday is the 31st
    assert [(high - low) / HOUR for low, high in counted] == [8, 8, 8, 8, 2]


@given(st.lists(st.tuples(spans, spans), min_size=1, max_size=4), st.one_of(st.integers(1, 4), st.just("all")))
def test_a_service_over_its_ports_is_down_up_or_unknown_at_each_instant(ports: list[tuple[Spans, Spans]], needs: int | str) -> None:
    whole = (0, 31)
    found = state_of([Port(down, without(unknown, down)) for down, unknown in ports], needs, whole)
    wanted = len(ports) if needs == "all" else min(int(needs), len(ports))
    for at in range(31):
        down = sum(at in instants(port[0]) for port in ports)
        unknown = sum(at in instants(port[1]) and at not in instants(port[0]) for port in ports)
        up = len(ports) - down - unknown
        expected = "up" if up >= wanted else "down" if up + unknown < wanted else "unknown"
        told = "down" if at in instants(found.down) else "unknown" if at in instants(found.unknown) else "up"
        assert told == expected


def test_the_budget_of_a_running_month_is_the_whole_months_and_the_outlook_goes_by_the_pace() -> None:
    sla = promise()
    month = sla.month("2026-06")
    tenth, outage = month[0] + 240 * HOUR, [(month[0], month[0] + 20 * 60 * NS_PER_S)]
    quiet = result(sla, month, month, State([], []), [], tenth)
    slow = result(sla, month, month, State(outage, []), [], tenth)
    broken = result(sla, month, month, State([(month[0], month[0] + HOUR)], []), [], tenth)
    assert [each.outlook for each in (quiet, slow, broken)] == ["met", "at_risk", "breached"]
    assert slow.budget_ns == 720 * HOUR // 1000
    assert (slow.met, broken.met, broken.credit_percent) == (True, False, Decimal(0))


def test_a_service_that_began_in_the_month_is_held_to_its_own_time() -> None:
    sla = promise()
    month = sla.month("2026-06")
    found = result(sla, month, (month[1] - 10 * HOUR, month[1]), State([(month[0], month[1] - 9 * HOUR)], []), [], month[1])
    assert (found.counted_ns, found.down_ns) == (10 * HOUR, HOUR)


def test_a_faulty_promise_names_file_line_and_key(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('summary = "s"\navailability = "101"\n')
    (tmp_path / "b.toml").write_text(
        'summary = "s"\navailability = "99"\n[[credits]]\nbelow = "98"\npercent = "5"\n[[credits]]\nbelow = "99"\npercent = "9"\n'
    )
    with pytest.raises(SettingsError) as raised:
        load(tmp_path)
    assert f"{tmp_path / 'a.toml'}:2: availability" in str(raised.value) and "b.toml" in str(raised.value)
