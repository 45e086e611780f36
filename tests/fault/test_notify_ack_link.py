"""A link in a message acknowledges: only by its button, once, while it is young, and only if it is ours."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from fault.notify import links
from fault.notify.ack_api import router
from fault.notify.outbox import Notifier
from fault.service import FaultService
from station.clock import NS_PER_S, VirtualClock
from tests.fault.network import at, down, service_on, store_at
from tests.fault.notifying import ENGINEER, QUICK, notifier_on, running, until_quiet
from tests.fault.receiver import receiving

LINK = links.Link("m", "incident", "o", "noc", 100)


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[tuple[VirtualClock, Notifier, FaultService]]:
    state, clock = await store_at(tmp_path), VirtualClock(at(0))
    notifier = notifier_on(state, QUICK.model_copy(update={"public_url": "http://noc.example/"}), clock=clock)
    yield clock, notifier, await service_on(state, clock, announcer=notifier)
    await state.close()


def browser(notifier: Notifier, service: FaultService) -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(router(notifier, service))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://noc.example")


async def link_in_a_message(notifier: Notifier, service: FaultService) -> str:
    async with receiving() as receiver, running(notifier):
        await notifier.add_webhook(ENGINEER, "sms", receiver.url, "sms", options={"to": "+49301234"})
        await service.handle([down("if-r1-1", text="<i>cut</i>")])
        await until_quiet(notifier.state)
    found = re.search(r"http://noc\.example/ack\?t=\S+", receiver.taken[0].json["text"])
    assert found is not None
    return found[0]


async def test_looking_changes_nothing_and_the_button_acknowledges_once(station: tuple[VirtualClock, Notifier, FaultService]) -> None:
    _, notifier, service = station
    url = await link_in_a_message(notifier, service)
    (alarm,) = service.book.alarms.values()
    async with browser(notifier, service) as http:
        looked = [await http.get(url), await http.get(url)]
        before = alarm.acknowledged
        done, again = await http.post(url), await http.post(url)
    assert [it.status_code for it in (*looked, done, again)] == [200, 200, 200, 400]
    assert "&lt;i&gt;cut" in looked[0].text and 'method="post"' in looked[0].text
    assert (before, alarm.acknowledged, alarm.ack_user) == (False, True, "link to sms")


async def test_a_link_ends_and_nobody_else_makes_one(station: tuple[VirtualClock, Notifier, FaultService]) -> None:
    clock, notifier, service = station
    url = await link_in_a_message(notifier, service)
    clock.advance(86_402 * NS_PER_S)
    async with browser(notifier, service) as http:
        late = await http.post(url)
        forged = [await http.post("/ack", params={"t": text}) for text in ("", "a.b", "x" * 900, links.token("another key", LINK))]
        long = await http.post("/ack", params={"t": "x" * 2_000})
    assert late.status_code == 400 and "too old" in late.text
    assert [it.status_code for it in forged] == [400] * 4
    assert long.status_code == 422
    assert not any(alarm.acknowledged for alarm in service.book.alarms.values())


def test_a_token_says_what_it_was_made_of() -> None:
    assert links.opened("key", links.token("key", LINK), 100) == LINK
    with pytest.raises(links.LinkError):
        links.opened("key", links.token("key", LINK), 101)
