"""The network in real time: time passes, devices speak, and somebody may ask or break something."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from simulator.emitter import Emitter
from simulator.network import NS_PER_S, Network
from simulator.stories import Script, Stage, links_named

LONGEST_SLEEP_S = 60.0


class Live:
    """Drives a network by the wall clock. `wake()` after any change, so that what follows from it is planned."""

    def __init__(self, network: Network, stage: Stage, emitter: Emitter, now: Callable[[], int]) -> None:
        self.network, self.stage = network, stage
        self._emitter, self.now = emitter, now
        self._changed = asyncio.Event()
        self._watchers: set[asyncio.Event] = set()

    async def run(self, scripts: Iterable[Script] = ()) -> None:
        """Let time pass until cancelled, with the scripted stories counted from now."""
        for script in scripts:
            if script.story in self.stage.stories:
                self.network.later(self.now() + int(script.at_s * NS_PER_S), lambda at_ns, name=script.story: self.stage.play(name, at_ns))  # type: ignore[misc]
        while True:
            self._emitter.emit(self.network.advance(self.now()))
            for watcher in self._watchers:
                watcher.set()
            self._changed.clear()
            due_ns = self.network.next_ns()
            wait_s = LONGEST_SLEEP_S if due_ns is None else max(0.0, (due_ns - self.now()) / NS_PER_S)
            try:
                await asyncio.wait_for(self._changed.wait(), min(wait_s, LONGEST_SLEEP_S))
            except TimeoutError:
                continue

    def wake(self) -> None:
        self._changed.set()

    @contextmanager
    def watch(self) -> Iterator[asyncio.Event]:
        """An event that is set each time something may have changed, for as long as the context lasts."""
        watcher = asyncio.Event()
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    # -- what the control side can do; names as people know them, KeyError when one is unknown ---------------

    def state(self) -> dict[str, Any]:
        """What is broken right now, who is cut off, and which stories can be played."""
        network, world = self.network, self.network.world
        links = [_link(network, number) for number in sorted(network.cuts)]
        devices = [{"kind": "device", "name": world.devices[number].name} for number in sorted(network.dead)]
        return {
            "simulated": True,
            "time_ns": self.now(),
            "broken": [*links, *devices],
            "unreachable": [device.name for device in world.devices if device.number not in network.reachable],
            "stories": [{"name": story.name, "text": story.summary} for story in self.stage.stories.values()],
            "messages": self._emitter.counts | {"lost": network.lost},
        }

    def events(self, after: int) -> list[dict[str, Any]]:
        """The announcements after a number."""
        return [
            {"number": said.number, "time_ns": said.time_ns, "story": said.story, "text": said.text}
            for said in self.stage.announcements
            if said.number > after
        ]

    def cut(self, what: dict[str, Any]) -> str:
        """Break a link, duct or device; returns what was announced."""
        return self._change(what, self.network.cut, self.network.kill, "is cut")

    def restore(self, what: dict[str, Any]) -> str:
        return self._change(what, self.network.restore, self.network.revive, "is put back")

    def story(self, what: dict[str, Any]) -> str:
        name = _text(what, "name")
        self.stage.play(name, self.now())
        self.wake()
        return self.stage.stories[name].summary

    def _change(
        self, what: dict[str, Any], links: Callable[[list[int], int], None], devices: Callable[[list[int], int], None], verb: str
    ) -> str:
        world, now_ns = self.network.world, self.now()
        kind = _text(what, "kind")
        if kind == "device":
            name = _text(what, "name")
            devices([world.by_name[name].number], now_ns)
        elif kind == "duct":
            name = _text(what, "name")
            links(links_named(world, (), name), now_ns)
        elif kind == "link":
            ends = _text(what, "a"), _text(what, "b")
            name = " - ".join(ends)
            links(links_named(world, ends, ""), now_ns)
        else:
            raise KeyError(f"no kind {kind}")
        text = f"{kind} {name} {verb}".capitalize()
        self.stage.announce(text, now_ns)
        self.wake()
        return text


def _text(what: dict[str, Any], key: str) -> str:
    value = what.get(key)
    if not isinstance(value, str) or not value:
        raise KeyError(f"{key} is missing")
    return value


def _link(network: Network, number: int) -> dict[str, Any]:
    link, world = network.world.links[number], network.world
    ends = [f"{world.devices[port.device].name}:{world.interfaces[port.interface].name}" for port in (link.a, link.b)]
    return {"kind": "link", "a": ends[0], "b": ends[1], "name": world.link_name(link), "duct": link.duct}
