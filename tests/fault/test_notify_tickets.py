"""A system of tickets answers with its own id; what comes later goes to that ticket, and closes it where that is wished."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from fault.notify import store
from station.clock import VirtualClock
from station.state import State
from tests.fault.network import at, down, service_on, store_at, up
from tests.fault.notifying import ENGINEER, notifier_on, running, until_quiet
from tests.fault.receiver import Received, receiving

ANSWERS: dict[str, Any] = {
    "servicenow": {"result": {"sys_id": "a1b2", "number": "INC0010001"}},
    "jira": {"id": "10000", "key": "NOC-24"},
    "zammad": {"id": 19, "number": "19019"},
    "znuny": {"TicketID": "77", "ArticleID": "1"},
    "rt": {"id": "5", "type": "ticket"},
}
OPTIONS = {
    "servicenow": {"close": "yes"},
    "jira": {"project": "NOC", "close_transition": "31"},
    "zammad": {"close": "yes", "customer": "noc@example.com"},
    "znuny": {"close": "yes"},
    "rt": {"close": "yes"},
}
ENDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "servicenow": ("PATCH", "/hook/a1b2", {"state": "6"}),
    "jira": ("POST", "/hook/NOC-24/transitions", {"transition": {"id": "31"}}),
    "zammad": ("PUT", "/hook/19", {"state": "closed"}),
    "znuny": ("PATCH", "/hook/77", {"Ticket": {"State": "closed successful"}}),
    "rt": ("PUT", "/hook/5", {"Status": "resolved"}),
}


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    it = await store_at(tmp_path)
    yield it
    await it.close()


async def told_twice(state: State, name: str, options: dict[str, str], says: bytes) -> list[Received]:
    """What a receiver is asked while an incident opens and ends, twice."""
    notifier = notifier_on(state)
    service = await service_on(state, VirtualClock(at(0)), announcer=notifier)
    async with receiving(lambda _: 201) as receiver, running(notifier):
        receiver.says = lambda _: says
        await notifier.add_webhook(ENGINEER, "tickets", receiver.url, name, options=options)
        for begun in (0, 800):
            await service.handle([down("if-r1-1", begun)])
            await until_quiet(state)
            await service.handle([up("if-r1-1", begun + 400)])
            await until_quiet(state)
    return receiver.taken


@pytest.mark.parametrize("name", sorted(ANSWERS))
async def test_a_ticket_is_made_and_closed_and_the_next_time_another_is_made(state: State, name: str) -> None:
    taken = await told_twice(state, name, OPTIONS[name], json.dumps(ANSWERS[name]).encode())
    first, last, again, _ = taken
    method, path, says = ENDS[name]
    assert [(it.method, it.path) for it in (first, last, again)] == [("POST", "/hook"), (method, path), ("POST", "/hook")]
    assert {key: last.json[key] for key in says} == says


@pytest.mark.parametrize("name", sorted(set(ANSWERS) - {"jira"}))
async def test_a_ticket_stays_open_where_closing_is_not_wished(state: State, name: str) -> None:
    options = {key: value for key, value in OPTIONS[name].items() if key != "close"}
    taken = await told_twice(state, name, options, json.dumps(ANSWERS[name]).encode())
    _, _, says = ENDS[name]
    assert not says.items() <= taken[1].json.items()


@pytest.mark.parametrize("lie", [b"no json", b'{"key": "../../admin"}', b'{"key": ["a"]}', b"[" * 5000, b'{"key": null}', b"{}"])
async def test_an_answer_that_names_no_ticket_leads_nowhere(state: State, lie: bytes) -> None:
    taken = await told_twice(state, "jira", OPTIONS["jira"], lie)
    assert [(it.method, it.path) for it in taken] == [("POST", "/hook")] * 2
    async with state.read() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(store.ticket)) == 0
