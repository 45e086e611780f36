"""Channels are bounded: they wait or drop by their policy, and count."""

import asyncio

import pytest

from station.channel import Channel, ChannelClosedError
from station.metrics import REGISTRY


def dropped(name: str, policy: str) -> float:
    return REGISTRY.get_sample_value("trunkline_channel_dropped_total", {"channel": name, "policy": policy}) or 0.0


async def test_items_come_out_in_order() -> None:
    channel: Channel[int] = Channel("order", 10)
    for n in range(5):
        await channel.put(n)
    await channel.close()
    assert [n async for n in channel] == [0, 1, 2, 3, 4]


async def test_a_full_channel_waits_until_there_is_room() -> None:
    channel: Channel[int] = Channel("waits", 1)
    await channel.put(1)
    second = asyncio.create_task(channel.put(2))
    await asyncio.sleep(0)
    assert not second.done()
    assert await channel.get() == 1
    await second
    assert await channel.get() == 2


@pytest.mark.parametrize(("policy", "kept"), [("drop_oldest", [2, 3]), ("drop_newest", [1, 2])])
async def test_a_full_channel_drops_by_its_policy_and_counts(policy: str, kept: list[int]) -> None:
    channel: Channel[int] = Channel(policy, 2, policy)  # type: ignore[arg-type]
    for n in (1, 2, 3):
        await channel.put(n)
    await channel.close()
    assert [n async for n in channel] == kept
    assert dropped(policy, policy) == 1


async def test_closing_wakes_those_who_wait() -> None:
    channel: Channel[int] = Channel("closing", 1)
    getter = asyncio.create_task(channel.get())
    await asyncio.sleep(0)
    await channel.close()
    with pytest.raises(ChannelClosedError):
        await getter
    with pytest.raises(ChannelClosedError):
        await channel.put(1)
