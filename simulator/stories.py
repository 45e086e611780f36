"""Stories: what breaks when, from `config/simulator/stories.toml`, played on the network's own time."""

import tomllib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from simulator.network import NS_PER_S, Network
from simulator.world import World
from station.data import data_dir

MAX_ANNOUNCEMENTS = 500
MAX_FLAPS = 100


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a story; which of the fields it needs depends on `do`."""

    at_s: float
    do: str
    text: str = ""
    link: tuple[str, ...] = ()
    duct: str = ""
    device: str = ""
    interface: str = ""
    minutes: int = 0
    loss_db: float = 0.0
    times: int = 1
    period_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Story:
    name: str
    summary: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """A story that starts by itself, some seconds after the simulator."""

    at_s: float
    story: str


@dataclass(frozen=True, slots=True)
class Announcement:
    """What the narrator says; `number` counts from 1."""

    number: int
    time_ns: int
    story: str
    text: str


def load(path: Path | None = None) -> tuple[tuple[Story, ...], tuple[Script, ...]]:
    """The stories and the script of a file; a key no step knows is a TypeError that names it."""
    document = tomllib.loads((path or data_dir("config") / "simulator" / "stories.toml").read_text())
    stories = tuple(Story(row["name"], row["summary"], tuple(map(_step, row["steps"]))) for row in document["stories"])
    scripts = tuple(Script(**row) for row in document.get("script", []))
    unknown = {step.do for story in stories for step in story.steps} - _ACTIONS.keys()
    unknown |= {script.story for script in scripts} - {story.name for story in stories}
    if unknown:
        raise ValueError(f"{path or 'stories.toml'}: unknown {', '.join(sorted(unknown))}")
    return stories, scripts


def _step(row: dict[str, Any]) -> Step:
    return Step(**{**row, "link": tuple(row.get("link", ()))})


def links_named(world: World, ends: tuple[str, ...], duct: str) -> list[int]:
    """The numbers of the link between two ends, or of all links in a duct; KeyError names what is missing."""
    if duct:
        found = [link.number for link in world.links if link.duct == duct]
        if not found:
            raise KeyError(f"no duct {duct}")
        return found
    a, b = ends
    return [world.link_between(a, b).number]


class Stage:
    """Plays stories on a network and keeps what was announced."""

    def __init__(self, network: Network, stories: tuple[Story, ...]) -> None:
        self._network = network
        self.stories = {story.name: story for story in stories if self._fits(story)}
        self.announcements: deque[Announcement] = deque(maxlen=MAX_ANNOUNCEMENTS)
        self._announced = 0

    def play(self, name: str, start_ns: int) -> None:
        """Plan every step of a story from `start_ns` on; KeyError when there is no such story."""
        story = self.stories[name]
        for step in story.steps:
            self._network.later(start_ns + int(step.at_s * NS_PER_S), partial(self._act, story, step))

    def announce(self, text: str, now_ns: int, story: str = "") -> None:
        self._announced += 1
        self.announcements.append(Announcement(self._announced, now_ns, story, text))

    def _act(self, story: Story, step: Step, now_ns: int) -> None:
        _ACTIONS[step.do](self._network, step, now_ns)
        if step.text:
            self.announce(step.text, now_ns, story.name)

    def _fits(self, story: Story) -> bool:
        """Whether everything a story names exists in this world."""
        world = self._network.world
        try:
            for step in story.steps:
                if step.link or step.duct:
                    links_named(world, step.link, step.duct)
                if step.interface:
                    world.interface(step.device, step.interface)
                elif step.device:
                    world.by_name[step.device]
        except KeyError:
            return False
        return True


def _links(network: Network, step: Step) -> list[int]:
    return links_named(network.world, step.link, step.duct)


def _device(network: Network, step: Step) -> int:
    return network.world.by_name[step.device].number


def _flap(network: Network, step: Step, now_ns: int) -> None:
    links, half_ns = _links(network, step), int(step.period_s * NS_PER_S / 2)
    for n in range(min(step.times, MAX_FLAPS)):
        network.later(now_ns + 2 * n * half_ns, partial(network.cut, links))
        network.later(now_ns + (2 * n + 1) * half_ns, partial(network.restore, links))


def _degrade(network: Network, step: Step, now_ns: int) -> None:
    for link in _links(network, step):
        network.degrade(link, step.loss_db, now_ns)


def _clear(network: Network, step: Step, now_ns: int) -> None:
    network.clear_counters(network.world.interface(step.device, step.interface).number, now_ns)


_ACTIONS: dict[str, Callable[[Network, Step, int], None]] = {
    "cut": lambda network, step, now_ns: network.cut(_links(network, step), now_ns),
    "restore": lambda network, step, now_ns: network.restore(_links(network, step), now_ns),
    "kill": lambda network, step, now_ns: network.kill([_device(network, step)], now_ns),
    "revive": lambda network, step, now_ns: network.revive([_device(network, step)], now_ns),
    "reboot": lambda network, step, now_ns: network.reboot(_device(network, step), now_ns),
    "battery": lambda network, step, now_ns: network.battery([_device(network, step)], step.minutes, now_ns),
    "degrade": _degrade,
    "flap": _flap,
    "clear": _clear,
    "speak": lambda network, step, now_ns: network.speak(_device(network, step), step.times, now_ns),
}
