"""Which messages a page gets that was made a while ago, or by another run of the station."""

from pathlib import Path

import pytest

from dashboards.events import Streams
from dashboards.settings import WebSettings
from station.clock import SystemClock
from station.hub import RING, Hub
from station.security import Security
from station.state import State


def streams(hub: Hub, folder: Path) -> Streams:
    return Streams(hub, Security(State(f"sqlite+aiosqlite:///{folder / 'state.db'}"), SystemClock()), WebSettings())


def published(n: int) -> Hub:
    hub = Hub()
    for number in range(n):
        hub.publish("story", {"n": number})
    return hub


async def first(hub: Hub, since: int | None) -> str:
    """The first message of a watcher, one more being published once it listens."""
    watching = hub.watch(since)
    hub.publish("story", {"n": "last"})
    message = await anext(watching)
    await watching.aclose()  # type: ignore[attr-defined]
    return message.topic if message.topic == "reload" else message.data


@pytest.mark.parametrize(("since", "heard"), [(3, '{"n":3}'), (5, '{"n":"last"}'), (9, "reload"), (-1, "reload")])
async def test_a_page_gets_what_came_after_it_or_is_told_to_load_afresh(since: int, heard: str) -> None:
    assert await first(published(5), since) == heard


async def test_what_the_ring_no_longer_holds_is_a_reload() -> None:
    hub = published(RING + 10)
    assert await first(hub, 3) == "reload"
    assert await first(hub, hub.seq - 1) != "reload"


def test_a_number_of_another_run_means_nothing(tmp_path: Path) -> None:
    hub = published(5)
    of = streams(hub, tmp_path)
    assert [of.known(5, hub.epoch), of.known(5, ""), of.known(5, "another"), of.known(None, "another")] == [5, 5, -1, None]
