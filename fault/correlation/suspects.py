"""The other direction: the hypotheses that a symptom may come from, cheaply narrowed to those something else speaks for.

A wide fault (a card, a duct, a router) is supposed when a second sign of it is there, not at each first alarm: the
second one raises it. That keeps the work per alarm to a handful of hypotheses in a network of any size.
"""

from collections.abc import Iterator, Mapping
from typing import Protocol

from fault.correlation.incident import Event, Incident
from fault.correlation.model import Cause, Hypothesis, Key, Kind
from fault.correlation.network import Network
from fault.correlation.reach import Reach

NEAR_HOPS = 3  # farther up the way from a device that does not answer, only what shows a symptom itself is supposed


class Reported(Protocol):
    """What was reported lately."""

    def lost_mains(self, site: str) -> bool: ...

    def was_changed(self, device: str) -> bool: ...


class Suspects:
    def __init__(self, network: Network, reach: Reach, current: Mapping[Key, Event], reported: Reported) -> None:
        self.network = network
        self.reach = reach
        self.current = current
        self.reported = reported
        self._signs: dict[str, tuple[Key, ...]] = {}  # link -> what would tell that it is down

    def of(self, key: Key, own: Incident | None = None) -> Iterator[Hypothesis]:
        """Hypotheses that may have brought the symptom, in no order, some twice; `own` is the incident under review."""
        network = self.network
        match key.cause:
            case Cause.SIGNAL:
                yield from self._of_signal(key)
            case Cause.ADJACENCY:
                yield from self._of_adjacency(key)
            case Cause.UNREACHABLE:
                yield from self._of_unreachable(key.device, own)
            case Cause.PATH | Cause.SLOW_PATH:
                yield from self._of_path(key)
            case Cause.DEGRADED | Cause.CONGESTED:
                kind = Kind.DEGRADED if key.cause is Cause.DEGRADED else Kind.CONGESTION
                if key.resource in network.ports:
                    for link in network.ports[key.resource].links or [key.resource]:
                        yield Hypothesis(kind, link)
            case Cause.CARD if key.resource in network.cards:
                yield Hypothesis(Kind.CARD, key.resource)
            case Cause.POWER | Cause.BATTERY if key.device in network.devices:
                if self._is_gone(key.device):
                    yield Hypothesis(Kind.NODE, key.device)
                yield from self._of_site(network.devices[key.device].site)
            case Cause.RESTART if key.device in network.devices:
                yield Hypothesis(Kind.NODE, key.device)
                yield from self._of_site(network.devices[key.device].site)
            case Cause.CHANGED if key.device in network.devices:
                yield Hypothesis(Kind.CHANGE, key.device)
            case _:
                return

    def forget(self, link: str) -> None:
        """What was remembered of a link holds no more."""
        self._signs.pop(link, None)

    # --- signs ---------------------------------------------------------------------------------------

    def is_dark(self, name: str) -> bool:
        """Whether something at the link tells that it is down."""
        keys = self._signs.get(name)
        if keys is None:
            link = self.network.links[name]
            ends = list(zip(link.devices, link.ports, strict=True))
            keys = self._signs[name] = tuple(
                [Key(Cause.SIGNAL, port, device) for device, port in ends if port]
                + [Key(Cause.ADJACENCY, adjacency, device) for device, _ in ends for adjacency in link.adjacencies]
            )
        return any((event := self.current.get(key)) is not None and event.active for key in keys)

    def _is_signed(self, device: str, but: str) -> bool:
        """Whether more than one link speaks of the device: it or one behind it does not answer, another link is dark, or it has none."""
        links = self.network.devices[device].links
        others = [link for link in links if link != but]
        if len(links) < 2 or any(self.is_dark(link) or self._is_gone(self.network.links[link].far(device)) for link in others):
            return True
        return self._is_gone(device) or self.reported.lost_mains(self.network.devices[device].site)

    def _is_gone(self, device: str) -> bool:
        gone = self.current.get(Key(Cause.UNREACHABLE, device, device))
        return gone is not None and gone.active

    def _is_failing(self, card: str, but: str) -> bool:
        """Whether something besides one link speaks of the card: it said so, or another port of it is dark."""
        device = self.network.cards[card]
        if Key(Cause.CARD, card, device) in self.current:
            return True
        return any(
            self.is_dark(link) if link else Key(Cause.SIGNAL, port, device) in self.current
            for port in self.network.card_ports.get(card, ())
            for link in self.network.ports[port].links or [""]
            if link != but
        )

    # --- by element ----------------------------------------------------------------------------------

    def _of_site(self, site: str) -> Iterator[Hypothesis]:
        if site and self.reported.lost_mains(site):
            yield Hypothesis(Kind.SITE, site)
            if area := self.network.site_area.get(site):
                yield Hypothesis(Kind.AREA, area)

    def _of_link(self, name: str) -> Iterator[Hypothesis]:
        """The link, what it runs in, and what it ends on."""
        network, link = self.network, self.network.links[name]
        yield Hypothesis(Kind.LINK, name)
        if link.duct and len(network.ducts[link.duct]) > 1:
            yield Hypothesis(Kind.DUCT, link.duct)
        for port in link.ports:
            if port and (card := network.ports[port].card) in network.cards and self._is_failing(card, name):
                yield Hypothesis(Kind.CARD, card)

    def _of_device(self, device: str, link: str = "") -> Iterator[Hypothesis]:
        """The device, seen from one of its links or from itself."""
        if not self.network.devices[device].passive and (not link or self._is_signed(device, link)):
            yield Hypothesis(Kind.NODE, device)
            yield Hypothesis(Kind.SILENT, device)
            yield from self._of_site(self.network.devices[device].site)

    # --- by symptom ----------------------------------------------------------------------------------

    def _of_signal(self, key: Key) -> Iterator[Hypothesis]:
        port = self.network.ports.get(key.resource)
        if port is None:
            return
        if not port.links:
            yield Hypothesis(Kind.HIDDEN, key.resource)
            if port.card in self.network.cards:
                yield Hypothesis(Kind.CARD, port.card)
        for name in port.links:
            yield from self._of_link(name)
            yield from self._of_device(self.network.links[name].far(port.device), name)

    def _of_adjacency(self, key: Key) -> Iterator[Hypothesis]:
        yield Hypothesis(Kind.ADJACENCY, key.resource)
        name = self.network.adjacencies.get(key.resource)
        devices = {key.device} if key.device in self.network.devices else set()
        if name is not None:
            yield from self._of_link(name)
            devices |= set(self.network.links[name].devices)
        for device in devices:
            yield Hypothesis(Kind.CHANGE, device)
            if device != key.device:
                yield from self._of_device(device, name or "")

    def _of_unreachable(self, device: str, own: Incident | None) -> Iterator[Hypothesis]:
        if device not in self.network.devices:
            return
        yield from self._of_device(device)
        links, devices = self.reach.path_elements(device, own.down_links, own.down_devices) if own else self.reach.path_elements(device)
        for hops, name in enumerate(links):
            if hops < NEAR_HOPS or self.is_dark(name):
                yield from self._of_link(name)
        for hops, each in enumerate(devices):
            if hops < NEAR_HOPS or any(self.is_dark(name) for name in self.network.devices[each].links):
                yield from self._of_device(each)

    def _of_path(self, key: Key) -> Iterator[Hypothesis]:
        lsp = self.network.lsps.get(key.resource)
        if lsp is None:
            return
        if key.cause is Cause.SLOW_PATH:
            for name in lsp.path:
                yield Hypothesis(Kind.DEGRADED, name)
                yield Hypothesis(Kind.CONGESTION, name)
            return
        dark = [name for name in lsp.path if self.is_dark(name)]
        for name in dark or lsp.path:
            yield from self._of_link(name)
            for adjacency in self.network.links[name].adjacencies:
                yield Hypothesis(Kind.ADJACENCY, adjacency)
        for name in lsp.path:
            for device in self.network.links[name].devices:
                if self.reported.was_changed(device):
                    yield Hypothesis(Kind.CHANGE, device)
                if device != lsp.head and (not dark or name in dark):
                    yield from self._of_device(device, name)
