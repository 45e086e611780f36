"""Session accounting: cumulative reports in any order, repeated or lost, count what was used once."""

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_bridge import sessions
from billing_bridge.events import known_events
from billing_bridge.guiding import FOREVER_NS
from billing_bridge.proof import verify
from billing_bridge.sessions import SessionReport
from billing_bridge.settings import BillingSettings
from station.state import State
from tests.billing_bridge.metered import CLERK, NS, add_customer, add_service, at, network

START = at("2026-07-01T08:00:00")
NOW = at("2026-07-02")


@pytest.fixture
async def books(any_state: State) -> State:
    await network(any_state)
    return any_state


def said(minute: int, octets: int, session: str = "a", **more: Any) -> SessionReport:
    """A report `minute` minutes into the session, with twice the octets out."""
    counters = {"in_octets": octets, "out_octets": 2 * octets, "seconds": 60 * minute}
    return SessionReport("bras-1", session, "S-1", START + minute * 60 * NS, **(counters | more))


async def take(state: State, *reports: SessionReport) -> None:
    await sessions.take(state, CLERK, reports, BillingSettings(), NOW)


async def used(state: State) -> dict[str, int]:
    """Octets and seconds by meter, all sessions together."""
    totals: dict[str, int] = {}
    async with state.read() as conn:
        for event, _ in await known_events(conn, CLERK.tenant, 0, FOREVER_NS):
            totals[event["meter"].removeprefix("session_")] = totals.get(event["meter"].removeprefix("session_"), 0) + event["quantity"]
    return totals


def counted(octets: int, minutes: int) -> dict[str, int]:
    return {"in_octets": octets, "out_octets": 2 * octets, "seconds": 60 * minutes}


async def test_a_session_is_worth_its_last_report_however_often_it_was_told(books: State) -> None:
    await add_service(books, 1, await add_customer(books, 1), "volume", {})
    reports = [said(0, 0, starts=True), said(10, 500), said(20, 900), said(30, 1000, stops=True)]
    for report in [*reports, *reports, reports[1]]:
        await take(books, report)
    assert await used(books) == counted(1000, 30)
    async with books.read() as conn:
        assert {guiding["state"] for _, guiding in await known_events(conn, CLERK.tenant, 0, FOREVER_NS)} == {"guided"}
    assert await verify(books, CLERK) is None


async def test_lost_starts_and_interims_lose_nothing(books: State) -> None:
    await take(books, said(20, 900))
    await take(books, said(30, 1000, stops=True), said(5, 40, session="b"))
    assert await used(books) == {key: counted(1000, 30)[key] + counted(40, 5)[key] for key in counted(0, 0)}


async def test_an_id_that_is_given_again_is_another_session(books: State) -> None:
    await take(books, said(0, 0, starts=True), said(10, 500, stops=True))
    await take(books, said(60, 0, starts=True, seconds=0), said(70, 300, seconds=600))
    assert (await used(books))["in_octets"] == 800


async def test_what_a_session_had_when_its_server_restarted_stays_used_and_the_next_begins_at_zero(books: State) -> None:
    await take(books, said(10, 500))
    await take(books, SessionReport("bras-1", "", "", START + 15 * 60 * NS))
    await take(books, said(20, 100, seconds=60))
    await take(books, said(10, 500), said(12, 520, stops=True))
    assert (await used(books))["in_octets"] == 620


async def test_counters_that_go_backwards_within_a_session_are_no_usage(books: State) -> None:
    await take(books, said(10, 500), said(20, 400), said(30, 700))
    assert (await used(books))["in_octets"] == 700


async def test_a_session_without_a_known_service_waits_for_it(books: State) -> None:
    await take(books, SessionReport("bras-1", "a", "", START, in_octets=1))
    async with books.read() as conn:
        ((event, guiding),) = await known_events(conn, CLERK.tenant, 0, FOREVER_NS)
    assert (event["service"], guiding["state"], guiding["reason"]) == ("-", "recycled", "no_service")


@pytest.mark.slow
@settings(max_examples=25)
@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=8), st.randoms(use_true_random=False), st.data())
def test_any_order_and_any_repetition_of_growing_reports_counts_the_last(
    tmp_path_factory: pytest.TempPathFactory, grown: list[int], chance: random.Random, data: st.DataObject
) -> None:
    octets = sorted(grown)
    reports = [said(n + 1, each) for n, each in enumerate(octets)]
    told = [*reports, *data.draw(st.lists(st.sampled_from(reports), max_size=6))]
    chance.shuffle(told)

    async def all_told() -> dict[str, int]:
        state = State(f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('sessions')}/state.db")
        await state.create_all()
        try:
            for report in told:
                await take(state, report)
            return await used(state)
        finally:
            await state.close()

    assert (asyncio.run(all_told())).get("in_octets", 0) == octets[-1]
