"""A connection to the bus: TLS with a pinned authority, a user of one's own, tried again for ever; and what publishes a spool."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import nats
import structlog
from nats.aio.client import Client
from nats.js.api import RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, NotFoundError

from station.bus import subjects
from station.bus.keys import Keys
from station.bus.spool import Spool
from station.metrics import counter

BUS_RETRIES = counter("bus_retries", "Publishes that were not taken and were tried again, by reason.", "spool", "reason")
BUS_SENT = counter("bus_sent_blocks", "Blocks that the bus took.", "spool")
BUS_RECONNECTS = counter("bus_reconnects", "Times the connection to the bus was there again.")
CONNECT_S: Final = 5
CLOSE_S: Final = 3.0
PUBLISH_S: Final = 10.0
RETRY_FIRST_S: Final = 0.2
RETRY_MOST_S: Final = 5.0
DUPLICATES_S: Final = 120.0  # a block that is published again within it is the same block
log = structlog.get_logger("bus")


@dataclass(frozen=True, slots=True)
class Login:
    """Where the bus is and who one is there. `ca` is the authority's certificate in PEM, "" without TLS."""

    url: str
    user: str
    ca: str = ""
    password: str = field(default="", repr=False)
    keys: Keys | None = None


async def connect(login: Login) -> Client:
    """A connected client; waits until there is a server. Only ever outwards."""
    wait_s = RETRY_FIRST_S
    while True:
        client = Client()
        try:
            await client.connect(**_options(client, login))
            return client
        except (nats.errors.NoServersError, OSError, TimeoutError) as error:
            log.warning("the bus does not answer", url=login.url, error=str(error)[:200], again_in_s=wait_s)
            await close(client)
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, RETRY_MOST_S)


async def close(client: Client) -> None:
    """Leave; a server that is gone is not waited for, and nothing that the client meets then is worth more than leaving."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await client.close()
    except Exception as error:  # over TLS it writes to a transport that is gone
        log.info("the bus was left", error=repr(error)[:200])


def _options(client: Client, login: Login) -> dict[str, Any]:
    options: dict[str, Any] = {
        "servers": [url.strip() for url in login.url.split(",")],
        "inbox_prefix": subjects.inbox(login.user),
        "name": login.user,
        "connect_timeout": CONNECT_S,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": 1,
        "ping_interval": 10,
        "max_outstanding_pings": 2,
        "reconnected_cb": _reconnected,
        "error_cb": _Told().say,
    }
    if login.ca:
        options["tls"] = ssl.create_default_context(cadata=login.ca)
    if login.keys is None:
        return options | {"user": login.user, "password": login.password}
    client._public_nkey = login.keys.user  # the client has no public way to take a key that it does not read itself
    return options | {"signature_cb": login.keys.sign}


async def _reconnected() -> None:
    BUS_RECONNECTS.inc()


class _Told:
    """Says what is wrong with the connection once, not with every try."""

    def __init__(self) -> None:
        self._last = ""

    async def say(self, error: Exception) -> None:
        text = str(error)[:200]
        if text != self._last:
            self._last = text
            log.warning("the bus", error=text)


async def make_streams(client: Client, octets: int, replicas: int) -> None:
    """The streams of samples and of messages: a work queue each, so that nothing stays which the station has."""
    js = client.jetstream()
    for kind in subjects.KINDS:
        config = StreamConfig(
            name=subjects.stream_of(kind),
            subjects=[subjects.subject(kind, "*")],
            retention=RetentionPolicy.WORK_QUEUE,
            storage=StorageType.FILE,
            discard="new",  # type: ignore[arg-type]  # a full stream refuses: its senders keep the rest
            max_bytes=octets,
            num_replicas=replicas,
            duplicate_window=DUPLICATES_S,
        )
        try:
            known = (await js.stream_info(subjects.stream_of(kind))).config
            if (known.max_bytes, known.num_replicas) != (octets, replicas):
                await js.update_stream(config)
        except NotFoundError:
            await js.add_stream(config)


async def publish(client: Callable[[], Client], spool: Spool, kind: str, collector: str) -> None:
    """Send what the spool holds, in order and one block in flight, until cancelled; what the bus took is `sent`, not forgotten."""
    to = subjects.subject(kind, collector)
    wait_s = RETRY_FIRST_S
    while True:
        for record in await spool.next():
            attempt, before = spool.attempt, spool.sent
            label = subjects.headers(spool.epoch, attempt, record.sequence, spool.first)
            try:
                await client().jetstream().publish(to, record.block, timeout=PUBLISH_S, headers=label)
            except (nats.errors.Error, APIError, OSError, TimeoutError) as error:
                BUS_RETRIES.labels(spool.name, type(error).__name__).inc()
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, RETRY_MOST_S)
                break
            wait_s = RETRY_FIRST_S
            if (spool.attempt, spool.sent) != (attempt, before):
                break  # sent back meanwhile
            spool.sent, spool.sent_ns = record.sequence, record.newest_ns
            BUS_SENT.labels(spool.name).inc()
