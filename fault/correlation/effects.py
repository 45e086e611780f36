"""Compile: the symptoms each hypothesis entails.

Made on first touch and kept until the failed set or the network changes, so a network of any
size compiles in the time it takes to read it, and a changed link touches only its neighbourhood.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from fault.correlation.model import Cause, Hypothesis, Key, Kind, Model, Profile
from fault.correlation.network import Link, Network
from fault.correlation.reach import Reach

MEMO_LIMIT = 20_000
DUCT_S = 1.2  # the fibres of a duct part within
RESTART_S = 20_000.0  # a device comes back within
DIM_P = 0.3  # a dark port also tells that it gets too little light
MAINS_P = 0.1  # a device that dies told of its mains before
SITUATED = frozenset({Kind.AREA, Kind.CHANGE, Kind.HIDDEN})  # what these entail depends on what was reported


End = tuple[str, str, Key, tuple[Key, ...]]  # device, port, loss of signal there, its sessions there


@dataclass(slots=True)
class Effects:
    """What a hypothesis entails now. `down_*` is what it takes out of service, `cut` what loses the station."""

    expect: dict[Key, Profile] = field(default_factory=dict)
    down_links: frozenset[str] = frozenset()
    down_devices: frozenset[str] = frozenset()
    cut: frozenset[str] = frozenset()


@dataclass(slots=True)
class Timing:
    """Delays that are measured while running (s)."""

    poll_s: float
    hold_s: float


class Compiler:
    """`powered_sites`: an area's sites that told of their mains; `adjacency_events` and `told`: keys of what was told of a
    device's adjacencies, and of one adjacency.
    """

    def __init__(
        self,
        network: Network,
        reach: Reach,
        model: Model,
        timing: Timing,
        powered_sites: Callable[[str], list[str]],
        adjacency_events: Callable[[str], list[Key]],
        told: Callable[[str], list[Key]],
    ) -> None:
        self.network = network
        self.reach = reach
        self.model = model
        self.timing = timing
        self.powered_sites = powered_sites
        self.adjacency_events = adjacency_events
        self.told = told
        self._memo: dict[Hypothesis, Effects] = {}
        self._ends: dict[str, tuple[End, ...]] = {}  # of links that were asked for
        self._polled: dict[str, Key] = {}  # of devices that were asked for
        self._epoch = (-1, 0, 0.0, 0.0)

    def effects(self, hypothesis: Hypothesis) -> Effects:
        epoch = (self.reach.epoch, self.network.peerings, self.timing.poll_s, self.timing.hold_s)
        if epoch != self._epoch or len(self._memo) > MEMO_LIMIT:
            self._memo.clear()
            self._epoch = epoch
        found = self._memo.get(hypothesis)
        if found is None:
            found = self._compile(hypothesis)
            is_unknown = hypothesis.kind is Kind.ADJACENCY and hypothesis.element not in self.network.adjacencies
            if hypothesis.kind not in SITUATED and not is_unknown:
                self._memo[hypothesis] = found
        return found

    def forget(self, link: str) -> None:
        """What was remembered of a link holds no more."""
        self._ends.pop(link, None)
        self._epoch = (-1, 0, 0.0, 0.0)

    def _compile(self, hypothesis: Hypothesis) -> Effects:
        kind, element = hypothesis
        match kind:
            case Kind.LINK:
                return self._outage([element], [])
            case Kind.DUCT:
                return self._outage(self.network.ducts[element], [], spread_s=DUCT_S)
            case Kind.CARD:
                return self._card(element)
            case Kind.NODE:
                return self._outage([], [element])
            case Kind.SILENT:
                return self._outage([], [element], dark=False)
            case Kind.SITE:
                return self._power([element])
            case Kind.AREA:
                return self._power(self.powered_sites(element))
            case Kind.CHANGE:
                return self._change(element)
            case Kind.ADJACENCY:
                return self._adjacency(element)
            case Kind.DEGRADED:
                return self._soft(element, Cause.DEGRADED, Profile(0.92, -3, 65))
            case Kind.CONGESTION:
                return self._soft(element, Cause.CONGESTED, Profile(0.92, -3, 95))
            case Kind.HIDDEN:
                return self._hidden(element)
            case Kind.LOCAL:
                return Effects()

    def _outage(
        self, links: Iterable[str], devices: Iterable[str], *, dark: bool = True, lingering: bool = False, spread_s: float = 0.0
    ) -> Effects:
        """Links without signal, devices that are dead.

        `dark` False: the ports of dead devices stay lit. `lingering`: the failed ones do not die at once. `spread_s`: within
        which all of them fail.
        What is being cut off may still get a word out, or has a way that the inventory does not know.
        """
        down_links, down_devices = frozenset(links), frozenset(devices)
        cut = frozenset(self.reach.cut_off(down_links, down_devices))
        effects = Effects({}, down_links, down_devices, cut)
        dead = frozenset() if lingering else down_devices
        mute = frozenset() if lingering else cut | down_devices  # who dies late tells of who died before
        expect = effects.expect
        touched = [self.network.links[link] for link in down_links]
        touched += [self.network.links[link] for device in down_devices for link in self.network.devices[device].links]
        signal = Profile(self.model.signal_p, -1.2, self.model.signal_s + spread_s)
        hold = Profile(self.model.adjacency_p, -1.0, self.timing.hold_s + 4 + spread_s, self.model.adjacency_due)
        signal_lost, hold_lost = signal._replace(due=False), hold._replace(due=False)
        dim = Profile(DIM_P, -3.0, self.timing.poll_s + 6.0 + spread_s, due=False)
        for link in touched:
            for device, port, own_signal, sessions in self._ends_of(link):
                gone = device in mute or self.network.hangs_on(device, link.id)
                if not port or device in dead or (gone and device not in cut):
                    continue
                gone = gone or (bool(link.strangers) and device not in link.told)
                if dark:
                    expect[own_signal] = signal_lost if gone else signal
                    expect[Key(Cause.DEGRADED, port, device)] = dim
                for session in sessions:
                    expect[session] = hold_lost if gone else hold
            for stranger in link.strangers:
                for adjacency in link.adjacencies:
                    expect[Key(Cause.ADJACENCY, adjacency, stranger)] = hold._replace(due=False)
        self._add_paths(expect, touched, mute, Profile(self.model.path_p, -1.0, 11.0 + spread_s))
        poll = Profile(0.985, -1, self.timing.poll_s + 6)
        for device in cut:
            if not self.network.devices[device].passive:
                expect[self._gone(device)] = poll
        for device in down_devices:
            for name, far in self.network.peers.get(device, {}).items():
                expect[Key(Cause.ADJACENCY, name, far)] = hold_lost
            if not self.network.devices[device].passive:
                expect[self._gone(device)] = poll if dark else poll._replace(p=0.5)
                expect[Key(Cause.RESTART, device, device)] = Profile(0.9, 30, RESTART_S, due=False)
                for key in self._of_mains(device):
                    expect[key] = Profile(MAINS_P, -self.model.battery_s, 42.0, due=False)
        return effects

    def _ends_of(self, link: Link) -> tuple[End, ...]:
        found = self._ends.get(link.id)
        if found is None:
            found = self._ends[link.id] = tuple(
                (device, port, Key(Cause.SIGNAL, port, device), tuple(Key(Cause.ADJACENCY, each, device) for each in link.adjacencies))
                for device, port in zip(link.devices, link.ports, strict=True)
            )
        return found

    def _of_mains(self, device: str) -> tuple[Key, Key]:
        """What a device says that loses its mains: of its site, or of itself where its site is not known; then of its battery."""
        return Key(Cause.POWER, self.network.devices[device].site or device, device), Key(Cause.BATTERY, device, device)

    def _gone(self, device: str) -> Key:
        found = self._polled.get(device)
        if found is None:
            found = self._polled[device] = Key(Cause.UNREACHABLE, device, device)
        return found

    def _add_paths(self, expect: dict[Key, Profile], links: Iterable[Link], mute: frozenset[str], profile: Profile) -> None:
        for link in links:
            for name in link.lsps:
                head = self.network.lsps[name].head
                if head not in mute:
                    expect[Key(Cause.PATH, name, head)] = profile

    def _card(self, card: str) -> Effects:
        ports = self.network.card_ports.get(card, ())
        effects = self._outage([link for port in ports for link in self.network.ports[port].links], [])
        device = self.network.cards[card]
        for port in ports:
            if not self.network.ports[port].links and device not in effects.cut:
                effects.expect[Key(Cause.SIGNAL, port, device)] = Profile(0.5, -1.2, self.model.signal_s, due=False)
        told = 0.93 if device not in effects.cut else 0.5  # it may just get its word out
        effects.expect[Key(Cause.CARD, card, device)] = Profile(told, -1.5, 3.0)
        return effects

    def _power(self, sites: Iterable[str]) -> Effects:
        """Mains lost: told at once, then each device dies when its battery does, some not at all."""
        devices = [device for site in sites for device in self.network.sites[site] if not self.network.devices[device].passive]
        effects = self._outage([], devices, lingering=True)
        expect = {key: p._replace(due=False, later=True) for key, p in effects.expect.items()}
        for device in devices:
            mains, battery = self._of_mains(device)
            expect[mains] = Profile(0.76, -1.5, 12)
            expect[battery] = Profile(0.55, 0, 42)
        effects.expect = expect
        return effects

    def _change(self, device: str) -> Effects:
        """A change breaks some adjacencies of the device, minutes later; those the inventory does not know too."""
        expect = {Key(Cause.CHANGED, device, device): Profile(0.93, -1.5, 3.0)}
        fails = Profile(0.9, -1.0, self.model.break_s, due=False, later=True)
        for name in self.network.devices[device].links:
            link = self.network.links[name]
            for adjacency in link.adjacencies:
                for end in link.devices:
                    expect[Key(Cause.ADJACENCY, adjacency, end)] = fails
            for lsp in link.lsps:
                expect[Key(Cause.PATH, lsp, self.network.lsps[lsp].head)] = fails
        for key in self.adjacency_events(device):
            expect.setdefault(key, fails)
        return Effects(expect)

    def _adjacency(self, adjacency: str) -> Effects:
        name = self.network.adjacencies.get(adjacency)
        if name is None:  # over several hops, or over a link that the inventory does not have
            either = Profile(self.model.adjacency_p, -1.0, self.timing.hold_s + 10.0, due=False)
            return Effects(dict.fromkeys(self.told(adjacency), either))
        link = self.network.links[name]
        both = Profile(self.model.adjacency_p, -1.0, 7.0)
        expect = {Key(Cause.ADJACENCY, adjacency, end): both for end in link.devices}
        self._add_paths(expect, [link], frozenset(), Profile(0.85, -2.0, 14.0))
        return Effects(expect)

    def _soft(self, name: str, cause: Cause, at_port: Profile) -> Effects:
        """A link that carries, but badly. `name` is the link, or a port whose link is not known."""
        if name not in self.network.links:
            return Effects({Key(cause, name, self.network.ports[name].device): at_port})
        link = self.network.links[name]
        expect = {Key(cause, port, device): at_port for device, port in zip(link.devices, link.ports, strict=True) if port}
        for lsp in link.lsps:
            expect[Key(Cause.SLOW_PATH, lsp, self.network.lsps[lsp].head)] = Profile(0.9, 0.0, 300.0)
        return Effects(expect)

    def _hidden(self, port: str) -> Effects:
        """The port's loss of signal, and the sessions of its device that no known link carries."""
        device = self.network.ports[port].device
        over_it = Profile(self.model.adjacency_p, -1.0, self.timing.hold_s + 4.0, due=False)
        unknown = [key for key in self.adjacency_events(device) if key.resource not in self.network.adjacencies]
        return Effects({Key(Cause.SIGNAL, port, device): Profile(0.93, -1.2, self.model.signal_s), **dict.fromkeys(unknown, over_it)})
