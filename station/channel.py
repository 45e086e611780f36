"""Bounded channels: how stages meet. A full channel waits or drops by its stated policy, and counts."""

import asyncio
from collections import deque
from typing import Generic, Literal, TypeVar

from station.metrics import CHANNEL_DEPTH, CHANNEL_DROPPED, CHANNEL_PASSED

T = TypeVar("T")
Policy = Literal["wait", "drop_oldest", "drop_newest"]


class ChannelClosedError(Exception):
    """The channel takes nothing more."""


class Channel(Generic[T]):
    """A queue of at most `capacity` items between two stages of one process.

    `put` waits when full under "wait" (back-pressure) and otherwise drops, counted in
    trunkline_channel_dropped_total{channel, policy}. Iterating ends when closed and empty.
    """

    def __init__(self, name: str, capacity: int, policy: Policy = "wait") -> None:
        assert capacity > 0, capacity
        self.name = name
        self.capacity = capacity
        self.policy = policy
        self._items: deque[T] = deque()
        self._changed = asyncio.Condition()
        self._closed = False
        self.taken = 0
        self._put = 0
        self._passed = CHANNEL_PASSED.labels(name)
        self._dropped = CHANNEL_DROPPED.labels(name, policy)
        CHANNEL_DEPTH.labels(name).set_function(self.__len__)

    def __len__(self) -> int:
        return len(self._items)

    async def put(self, item: T) -> int:
        """Append an item; its number, from 1: it has been taken once `taken` is as large (under "wait", which loses none)."""
        async with self._changed:
            if self.policy == "wait":
                await self._changed.wait_for(lambda: len(self._items) < self.capacity or self._closed)
            if self._closed:
                raise ChannelClosedError(self.name)
            if len(self._items) >= self.capacity and not self._make_room():
                return self._put
            self._items.append(item)
            self._put += 1
            self._changed.notify_all()
            return self._put

    def _make_room(self) -> bool:
        self._dropped.inc()
        if self.policy == "drop_oldest":
            self._items.popleft()
        return self.policy == "drop_oldest"

    async def get(self) -> T:
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._items) or self._closed)
            if not self._items:
                raise ChannelClosedError(self.name)
            item = self._items.popleft()
            self.taken += 1
            self._passed.inc()
            self._changed.notify_all()
            return item

    async def close(self) -> None:
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __aiter__(self) -> "Channel[T]":
        return self

    async def __anext__(self) -> T:
        try:
            return await self.get()
        except ChannelClosedError:
            raise StopAsyncIteration from None
