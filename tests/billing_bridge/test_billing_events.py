"""Other systems' usage: files of any quality, each line once, guided when it comes and again when services change, provable."""

import json
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from billing_bridge import events
from billing_bridge.completeness import accounts
from billing_bridge.events import EventIn, Unread, known_events, take
from billing_bridge.guiding import FOREVER_NS
from billing_bridge.intake import Form, HeaderError, batches, read
from billing_bridge.proof import verify
from billing_bridge.settings import BillingSettings
from billing_bridge.store import usage_event, usage_rejected
from station.state import State
from tests.billing_bridge.metered import CLERK, NS, add_customer, add_service, at, network

NOW = at("2026-07-02")
SETTINGS = BillingSettings()
CALL = {"meter": "voice_seconds", "service": "S-1", "time": "2026-07-01T10:00:00+02:00", "quantity": 90, "external_id": "c1", "key": "4930"}
EVENT = EventIn(
    source="switch", external_id="c1", meter="voice_seconds", service="S-1", time_ns=at("2026-07-01T08:00:00"), quantity=90, key="4930"
)


def line(**changed: Any) -> bytes:
    return json.dumps(CALL | changed).encode() + b"\n"


def csv(*rows: str) -> list[bytes]:
    return [f"{row}\r\n".encode() for row in ("meter,service,time,quantity,external_id,key", *rows)]


def test_json_lines_and_csv_say_the_same() -> None:
    rows = csv('voice_seconds,S-1,2026-07-01T08:00:00Z,90,c1,"4930"')
    assert list(read([line()], Form.JSONL, "switch")) == list(read(rows, Form.CSV, "switch")) == [EVENT]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"{", "unparsable"),
        (b"[1]", "unparsable"),
        (b"[" * 60_000, "unparsable"),
        (b"\xff\xfe", "unparsable"),
        (b"x" * 70_000, "line_too_long"),
        (line(quantity=1.5), "bad_quantity"),
        (line(quantity="90"), "bad_quantity"),
        (line(time="yesterday"), "bad_time"),
        (line(meter="Voice"), "bad_meter"),
        (line(service=""), "bad_service"),
        (line(paid=True), "unparsable"),
    ],
)
def test_a_line_that_is_no_event_says_why(bad: bytes, reason: str) -> None:
    (found,) = read([bad], Form.JSONL, "switch")
    assert isinstance(found, Unread) and found.reason == reason


def test_who_delivers_names_the_source_and_a_line_cannot() -> None:
    assert list(read([line(source="bank")], Form.JSONL, "switch")) == [EVENT]


@pytest.mark.parametrize("header", ["", "meter,service,quantity", "meter,service,quantity,time,price", "meter,meter,service,quantity,time"])
def test_a_csv_file_without_its_columns_is_refused_whole(header: str) -> None:
    with pytest.raises(HeaderError, match="columns among"):
        list(read([header.encode()], Form.CSV, "switch"))


@given(st.lists(st.binary(max_size=40)), st.sampled_from(Form))
def test_any_bytes_are_events_or_kept(lines: list[bytes], form: Form) -> None:
    head = csv()[:1] if form == Form.CSV else []
    found = list(read(head + [each.replace(b"\n", b"") + b"\n" for each in lines], form, "switch"))
    assert len(found) == sum(bool(each.replace(b"\n", b"").strip()) for each in lines)


async def test_a_file_taken_twice_counts_once_and_what_contradicts_is_kept(any_state: State) -> None:
    await network(any_state)
    await add_service(any_state, 1, await add_customer(any_state, 1), "voice", {})
    rows = [line(), line(), line(quantity=91), line(external_id=""), line(external_id="c2", quantity=-1), b"{"]
    expected = [
        ["accepted", "duplicate_same", "duplicate_conflict", "accepted", "rejected", "rejected"],
        ["duplicate_same", "duplicate_same", "duplicate_conflict", "duplicate_same", "rejected", "rejected"],
    ]
    for kinds in expected:
        arrived = next(batches(read(rows, Form.JSONL, "switch"), 100))
        verdicts = await take(any_state, CLERK, arrived, SETTINGS, NOW)
        assert [verdict.kind for verdict in verdicts] == kinds
    async with any_state.read() as conn:
        kept = (await conn.execute(sa.select(usage_rejected.c.reason, usage_rejected.c.content))).all()
        assert all(account.balanced for account in (await accounts(conn, CLERK)).values())
        found = await known_events(conn, CLERK.tenant, 0, FOREVER_NS)
    assert [(event["quantity"], guiding["state"], len(event["chain"])) for event, guiding in found] == [(90, "guided", 64)] * 2
    assert ("unparsable", b"{") in {tuple(row) for row in kept}
    assert await verify(any_state, CLERK) is None


async def test_an_event_is_guided_again_when_its_service_is_known_and_as_it_was_then_for_an_earlier_cutoff(any_state: State) -> None:
    await network(any_state)
    await take(any_state, CLERK, [EVENT], SETTINGS, NOW)
    assert await events.guide(any_state, CLERK, NOW + NS) == 0
    async with any_state.read() as conn:
        mark = await events.owners_mark(conn, CLERK.tenant)
    await add_service(any_state, 1, await add_customer(any_state, 1), "voice", {})
    async with any_state.read() as conn:
        assert await events.owners_mark(conn, CLERK.tenant) != mark
    assert [await events.guide(any_state, CLERK, NOW + 2 * NS) for _ in range(2)] == [1, 0]
    async with any_state.read() as conn:
        told = [(await known_events(conn, CLERK.tenant, 0, FOREVER_NS, known))[0][1] for known in (NOW + NS, FOREVER_NS)]
    assert [(it["state"], it["reason"], it["guide_rev"]) for it in told] == [("recycled", "no_service", 0), ("guided", "", 1)]


@pytest.mark.parametrize("change", [{"quantity": 91}, {"service_id": "another"}, {"batch": 2}])
async def test_a_changed_event_is_found(change: dict[str, Any], any_state: State) -> None:
    await network(any_state)
    await take(any_state, CLERK, [EVENT], SETTINGS, NOW)
    async with any_state.write() as conn:
        await conn.execute(sa.update(usage_event).values(**change))
    broken = await verify(any_state, CLERK)
    assert broken is not None and (broken.book, broken.source, broken.seq) == ("usage_event", "switch", 1)


async def test_a_batch_that_fails_leaves_nothing(any_state: State) -> None:
    await network(any_state)
    with pytest.raises(AssertionError):
        await take(any_state, CLERK, [EVENT] * 10_001, SETTINGS, NOW)
    async with any_state.read() as conn:
        assert await known_events(conn, CLERK.tenant, 0, FOREVER_NS) == []
