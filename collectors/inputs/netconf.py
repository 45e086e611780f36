"""NETCONF in: an RFC 5277 subscription per target over SSH with a pinned host key; events become Notifications.

`ncclient` is synchronous: each target has one thread that hands its events to the loop. Reading state at a high
rate is not its business (its session loop ticks ten times a second).
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from pydantic import Field

from collectors.codecs.ber import DecodeError
from collectors.codecs.netconf_event import decode
from inventory.topology import Topology
from station.batch import Notification
from station.channel import Channel
from station.clock import Clock
from station.metrics import counter
from station.settings import Settings

log = structlog.get_logger("netconf")

NETCONF_EVENTS = counter("netconf_events", "NETCONF notifications by what became of them.", "outcome")
NETCONF_RECONNECTS = counter("netconf_reconnects", "Sessions that ended and were tried again.")
BACKOFF_FIRST_S: Final = 2.0
BACKOFF_MOST_S: Final = 120.0
CONNECT_WITHIN_S: Final = 20
TAKE_WITHIN_S: Final = 1.0


class NetconfTarget(Settings):
    """`[[netconf.targets]]`: `host_key` is the server's public key in base64, as in known_hosts; without the right one nothing is sent."""

    address: str
    port: int = Field(830, ge=1, le=65535)
    credential: str
    host_key: str
    stream: str = "NETCONF"


class NetconfSettings(Settings):
    """`[netconf]`."""

    targets: tuple[NetconfTarget, ...] = ()


class Netconf:
    """All targets; `run` works until cancelled."""

    def __init__(
        self,
        settings: NetconfSettings,
        topology: Callable[[], Topology],
        clock: Clock,
        secret: Callable[[str], Mapping[str, str]],
        out: Channel[tuple[Notification, ...]],
    ) -> None:
        self._settings, self._topology, self._clock, self._secret, self._out = settings, topology, clock, secret, out

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for target in self._settings.targets:
                tasks.create_task(self._keep(target))

    async def _keep(self, target: NetconfTarget) -> None:
        from ncclient.transport.errors import TransportError

        wait_s = BACKOFF_FIRST_S
        while True:
            try:
                await self._session(target)
                wait_s = BACKOFF_FIRST_S
            except (TransportError, OSError) as error:
                log.warning("netconf session ended", target=target.address, error=str(error)[:200], again_in_s=wait_s)
            NETCONF_RECONNECTS.inc()
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, BACKOFF_MOST_S)

    async def _session(self, target: NetconfTarget) -> None:
        session = await asyncio.to_thread(self._connect, target)
        try:
            await asyncio.to_thread(session.create_subscription, stream_name=target.stream)
            while session.connected:
                event = await asyncio.to_thread(session.take_notification, True, TAKE_WITHIN_S)
                if event is not None:
                    await self._take(target, event.notification_xml)
        finally:
            await asyncio.to_thread(session.close_session)

    def _connect(self, target: NetconfTarget) -> Any:
        from ncclient import manager

        login = self._secret(target.credential)
        return manager.connect(
            host=target.address,
            port=target.port,
            username=login["username"],
            password=login["password"],
            hostkey_b64=target.host_key,
            hostkey_verify=True,
            allow_agent=False,
            look_for_keys=False,
            timeout=CONNECT_WITHIN_S,
        )

    async def _take(self, target: NetconfTarget, xml: str) -> None:
        try:
            name, fields = decode(xml)
        except DecodeError as error:
            NETCONF_EVENTS.labels(error.reason).inc()
            return
        NETCONF_EVENTS.labels("taken").inc()
        device = self._topology().addresses.get(target.address, 0)
        await self._out.put((Notification(self._clock.now_ns(), target.address, device, "netconf", name, "", fields, authenticated=True),))
