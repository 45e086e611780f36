"""NETCONF in: RFC 5277 notifications with replay, and operational state by filter, over SSH with a pinned host key.

`ncclient` is synchronous: each session's calls run in a thread of this input's own, and a target that hangs holds
only that. Reading state at a high rate is not its business (its session loop ticks ten times a second).
"""

import asyncio
import random
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, Final, Literal

import structlog
from pydantic import Field

from collectors.codecs.ber import DecodeError
from collectors.codecs.netconf_event import EVENT_TIME, decode
from collectors.codecs.netconf_state import LIBRARIES, NetconfModel, leaves, library_modules, load, modules_of
from collectors.rows import Rows, number_of
from inventory.topology import Topology
from station.batch import Notification, SampleBatch
from station.channel import Channel
from station.clock import NS_PER_S, Clock
from station.data import data_dir
from station.metrics import counter, gauge
from station.settings import Settings

log = structlog.get_logger("netconf")

NETCONF_EVENTS = counter("netconf_events", "NETCONF notifications by what became of them.", "outcome")
NETCONF_LEAVES = counter("netconf_leaves", "Leaves of operational state by what became of them.", "outcome")
NETCONF_RECONNECTS = counter("netconf_reconnects", "Sessions that ended and were tried again, by reason.", "reason")
NETCONF_SESSIONS = gauge("netconf_sessions", "Sessions that are open.")
BACKOFF_FIRST_S: Final = 2.0
BACKOFF_MOST_S: Final = 120.0
CONNECT_WITHIN_S: Final = 20
KEEPALIVE_S: Final = 15
TAKE_WITHIN_S: Final = 1.0
REMEMBERED_MAX: Final = 256  # events per target that a replay is held against
XPATH: Final = "urn:ietf:params:netconf:capability:xpath:1.0"
EVENTS_WAITING_MAX: Final = 1024  # per target; the newest are dropped, counted
THREADS_MAX: Final = 256


class NetconfTarget(Settings):
    """`[[netconf.targets]]`: `host_key` is the server's public key in base64, as in known_hosts; without the right one nothing is sent.

    `credential` names a secret of the vault with username and password. An empty `stream` asks for no events,
    `interval_s` 0 for no state. `filter` "xpath" asks by XPath where the server says it can (RFC 6241, 8.9).
    """

    address: str
    port: int = Field(830, ge=1, le=65535)
    credential: str
    host_key: str
    stream: str = "NETCONF"
    interval_s: float = Field(60.0, ge=0)
    filter: Literal["subtree", "xpath"] = "subtree"


class NetconfSettings(Settings):
    """`[netconf]`."""

    targets: tuple[NetconfTarget, ...] = ()


class NetconfSessionError(Exception):
    """A session that could not be opened or has ended; `reason` is one word for a counter."""

    def __init__(self, reason: str, says: str) -> None:
        super().__init__(says)
        self.reason = reason


class Heard:
    """Of one target's events: when the last happened by the server's clock, the latest as they came, and whether a replay runs."""

    def __init__(self) -> None:
        self.last, self.replayed = "", False
        self.latest: deque[str] = deque(maxlen=REMEMBERED_MAX)

    def is_new(self, xml: str) -> bool:
        """Whether this is no event that the replay says again; it is remembered."""
        known = self.replayed and xml in self.latest
        if not known:
            self.latest.append(xml)
        return not known


@cache
def models() -> tuple[NetconfModel, ...]:
    return tuple(load(path) for path in sorted((data_dir("config") / "netconf").glob("*.toml")))


class Netconf:
    """All targets; `run` works until cancelled. `covered` are the device numbers whose interface state this input reads."""

    def __init__(
        self,
        settings: NetconfSettings,
        topology: Callable[[], Topology],
        clock: Clock,
        secret: Callable[[str], Mapping[str, str]],
        samples: Channel[SampleBatch],
        out: Channel[tuple[Notification, ...]],
        backoff_first_s: float = BACKOFF_FIRST_S,
    ) -> None:
        self._settings, self._topology, self._clock, self._secret, self._out = settings, topology, clock, secret, out
        self._samples, self._backoff_first_s = samples, backoff_first_s
        self._covered: dict[str, int] = {}
        self._heard_of: dict[str, Heard] = {}  # by address and port
        self._threads = ThreadPoolExecutor(min(THREADS_MAX, max(1, 2 * len(settings.targets))), thread_name_prefix="netconf")

    @property
    def covered(self) -> frozenset[int]:
        return frozenset(self._covered.values())

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for target in self._settings.targets:
                if target.stream:
                    tasks.create_task(self._keep(target, self._listen))
                if target.interval_s:
                    tasks.create_task(self._keep(target, self._read))

    async def _keep(self, target: NetconfTarget, work: Callable[[NetconfTarget, Any], Awaitable[None]]) -> None:
        wait_s = self._backoff_first_s
        while True:
            began_ns = self._clock.monotonic_ns()
            try:
                async with self._session(target) as session:
                    await work(target, session)
                reason, says = "ended", ""
            except NetconfSessionError as error:
                reason, says = error.reason, str(error)[:200]
            NETCONF_RECONNECTS.labels(reason).inc()
            if self._clock.monotonic_ns() - began_ns > BACKOFF_MOST_S * NS_PER_S:
                wait_s = self._backoff_first_s
            log.warning("netconf session ended", target=target.address, reason=reason, says=says, again_in_s=round(wait_s, 1))
            await asyncio.sleep(wait_s * random.uniform(0.8, 1.2))  # noqa: S311 - spreads reconnects, no secret
            wait_s = min(wait_s * 2, BACKOFF_MOST_S)

    @asynccontextmanager
    async def _session(self, target: NetconfTarget) -> AsyncIterator[Any]:
        session = await self._call(connect, target, self._secret(target.credential))
        NETCONF_SESSIONS.inc()
        try:
            yield session
        finally:
            NETCONF_SESSIONS.dec()
            self._threads.submit(close, session)

    async def _call(self, act: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, mapped, act, arguments)

    # -- notifications -----------------------------------------------------------------------------

    async def _listen(self, target: NetconfTarget, session: Any) -> None:
        """Events as they come; after a lost session those since the last one first, where the server keeps them (RFC 5277, 3.3)."""
        waiting: asyncio.Queue[Notification] = asyncio.Queue(EVENTS_WAITING_MAX)
        heard = self._heard_of.setdefault(f"{target.address}:{target.port}", Heard())
        heard.replayed = await self._call(_subscribe, session, target.stream, heard.last)
        async with asyncio.TaskGroup() as tasks:
            passing = tasks.create_task(self._pass_on(waiting))
            while session.connected:
                event = await self._call(session.take_notification, True, TAKE_WITHIN_S)
                if event is not None:
                    self._take_event(target, event.notification_xml, heard, waiting)
            passing.cancel()

    def _take_event(self, target: NetconfTarget, xml: str, heard: Heard, waiting: asyncio.Queue[Notification]) -> None:
        try:
            name, fields = decode(xml)
        except DecodeError as error:
            NETCONF_EVENTS.labels(error.reason).inc()
            return
        if name == "replayComplete":
            heard.replayed = False
            return
        heard.last = max(heard.last, fields.get(EVENT_TIME, ""))
        if not heard.is_new(xml):
            NETCONF_EVENTS.labels("said_again").inc()
            return
        device = self._topology().addresses.get(target.address, 0)
        said = Notification(self._clock.now_ns(), target.address, device, "netconf", name, "", fields, authenticated=True)
        if waiting.full():
            NETCONF_EVENTS.labels("queue_full").inc()
            return
        waiting.put_nowait(said)
        NETCONF_EVENTS.labels("taken").inc()

    async def _pass_on(self, waiting: asyncio.Queue[Notification]) -> None:
        while True:
            await self._out.put((await waiting.get(),))

    # -- operational state -------------------------------------------------------------------------

    async def _read(self, target: NetconfTarget, session: Any) -> None:
        served = await self._call(_served, session)
        if not served:
            log.info("no model of ours is served", target=target.address)
        try:
            while session.connected:
                began_ns = self._clock.monotonic_ns()
                for model in served:
                    reply = await self._call(_state, session, model, target.filter)
                    await self._take(target, model, reply)
                spent_s = (self._clock.monotonic_ns() - began_ns) / NS_PER_S
                await asyncio.sleep(max(TAKE_WITHIN_S, target.interval_s - spent_s))
        finally:
            self._covered.pop(target.address, None)

    async def _take(self, target: NetconfTarget, model: NetconfModel, reply: str) -> None:
        topology, now_ns, rows = self._topology(), self._clock.now_ns(), Rows()
        device_no = topology.addresses.get(target.address, 0)
        try:
            for key, path, text in leaves(reply, model):
                metric, interface = model.metrics.get(path), topology.interface_by_name.get((device_no, key))
                number = number_of(text, model.states) if metric else None
                if metric is None or interface is None or number is None:
                    NETCONF_LEAVES.labels("no_metric" if metric is None else "value" if interface else "unknown_interface").inc()
                    continue
                rows.add(now_ns, device_no, interface.entity_no, metric, number, width=32 if path in model.narrow else 64)
        except DecodeError as error:
            NETCONF_LEAVES.labels(error.reason).inc()
        if len(rows):
            NETCONF_LEAVES.labels("taken").inc(len(rows))
            self._covered[target.address] = device_no
            await self._samples.put(rows.batch())


def connect(target: NetconfTarget, login: Mapping[str, str]) -> Any:
    """A session with the target, once it has shown its host key; the library's errors, or NetconfSessionError without a login."""
    from ncclient import manager

    if not login.get("username"):
        raise NetconfSessionError("no_credential", f"the vault has no login {target.credential!r}")
    sock = socket.create_connection((target.address, target.port), CONNECT_WITHIN_S)
    try:
        return manager.connect(
            sock=sock,
            host=target.address,
            port=target.port,
            username=login["username"],
            password=login.get("password"),
            hostkey_b64=target.host_key,
            hostkey_verify=True,
            allow_agent=False,
            look_for_keys=False,
            keepalive=KEEPALIVE_S,
            timeout=CONNECT_WITHIN_S,
        )
    except BaseException:
        sock.close()  # the library leaves it open where it refuses the host key
        raise


def _served(session: Any) -> list[NetconfModel]:
    """The models that a server announces: in its hello, else in its YANG library."""
    modules = modules_of(session.server_capabilities)
    for more in listed(session):
        if any(model.serves(modules) for model in models()):
            break
        modules |= more
    return [model for model in models() if model.serves(modules)]


def listed(session: Any) -> Iterator[dict[str, str]]:
    """Modules and revisions from each list that the server says it has, asked for one after the other."""
    said = list(session.server_capabilities)
    for marker, subtree in LIBRARIES:
        if any(marker in one for one in said):
            yield library_modules(session.get(("subtree", subtree)).xml)


def _state(session: Any, model: NetconfModel, by: str) -> str:
    """What the server says of a model; by subtree where it cannot do XPath."""
    xpath = by == "xpath" and any(one.startswith(XPATH) for one in session.server_capabilities)
    reply: str = session.get(("xpath", model.xpath) if xpath else ("subtree", model.subtree)).xml
    return reply


def _subscribe(session: Any, stream: str, since: str) -> bool:
    """Subscribe to events, with those since that time if the server still has them; whether it replays."""
    from ncclient.operations import RPCError

    if since:
        try:
            session.create_subscription(stream_name=stream, start_time=since)
        except RPCError as error:
            log.info("no replay of netconf events", since=since, says=str(error)[:200])
        else:
            return True
    session.create_subscription(stream_name=stream)
    return False


def mapped(act: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """The result of a library call; what it raises becomes NetconfSessionError, once, here."""
    import paramiko  # type: ignore[import-untyped]
    from ncclient import NCClientError
    from ncclient.operations import RPCError, TimeoutExpiredError
    from ncclient.transport.errors import AuthenticationError, SSHUnknownHostError

    reasons = (
        (SSHUnknownHostError, "unknown_host_key"),
        (AuthenticationError, "authentication"),
        (RPCError, "refused"),
        (TimeoutExpiredError, "timeout"),
        (DecodeError, "undecodable"),
    )
    try:
        return act(*arguments)
    except (NCClientError, paramiko.SSHException, DecodeError, OSError, EOFError) as error:
        reason = next((word for kind, word in reasons if isinstance(error, kind)), "transport")
        raise NetconfSessionError(reason, str(error)) from error


def close(session: Any) -> None:
    """Say goodbye; whoever does not answer is cut off."""
    try:
        if session.connected:
            mapped(session.close_session, ())
    except NetconfSessionError:
        NETCONF_EVENTS.labels("no_goodbye").inc()
    finally:
        transport = getattr(session._session, "transport", None)
        if transport is not None:
            transport.close()
