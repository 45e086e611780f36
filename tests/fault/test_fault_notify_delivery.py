"""From a stored change to a receiver: once in effect, in order, signed."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from station.clock import VirtualClock
from station.state import State
from tests.fault.network import at, down, service_on, store_at, up
from tests.fault.notifying import ENGINEER, notifier_on, running
from tests.fault.receiver import receiving


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    it = await store_at(tmp_path)
    yield it
    await it.close()


async def test_an_incident_is_told_when_it_opens_and_when_it_closes(state: State) -> None:
    notifier = notifier_on(state, simulated=True)
    service = await service_on(state, VirtualClock(at(0)), announcer=notifier)
    async with receiving() as receiver, running(notifier):
        hook, secret = await notifier.add_webhook(ENGINEER, "tickets", receiver.url)
        await service.handle([down("if-r1-1")])
        await service.handle([up("if-r1-1", 5)])
        await receiver.until(lambda: len(receiver.taken) == 2)
    first, last = receiver.taken
    assert [it.json["type"] for it in receiver.taken] == ["incident.opened", "incident.closed"]
    assert (first.json["incident"]["root"]["name"], first.json["simulated"]) == ("r1 ge-0/0/1", True)
    assert first.json["incident"]["services"] == [{"id": "v1", "name": "acme-internet", "customer": "Acme"}]
    assert first.json["incident"]["explanation"]["summary"] == "r1 ge-0/0/1: link down"
    assert first.key == first.json["id"] != last.key
    signed = hmac.new(secret.encode(), first.headers["x-trunkline-timestamp"].encode() + b"." + first.body, hashlib.sha256)
    assert first.headers["x-trunkline-signature"] == f"v1={signed.hexdigest()}"
    assert hook.name == "tickets"
