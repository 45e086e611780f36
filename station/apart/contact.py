"""A collector's talk with its station: a sign of life every few seconds, targets where they differ, looks it is asked for."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import nats
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from collectors.proof import Proof, look_at
from collectors.snmp.client import SnmpClient
from collectors.snmp.engine import Engine
from collectors.snmp.poller import Poller
from collectors.snmp.profiles import Profiles
from station import __version__
from station.apart.targets import Targets
from station.bus import subjects
from station.bus.columns import BlockError
from station.bus.keys import SealError
from station.bus.notices import packed, unpacked
from station.bus.settings import BEAT_S
from station.bus.spool import Spool
from station.clock import Clock
from station.metrics import counter, gauge

BEATS = counter("collector_beats", "Signs of life sent to the station, by what came of them.", "outcome")
HEARD_NS = gauge("collector_station_heard_seconds", "When the station last answered (UTC seconds).")
ANSWER_S: Final = 10.0
log = structlog.get_logger("collector")


class Contact:
    """`run` works until cancelled."""

    def __init__(self, key: str, targets: Targets, spools: Mapping[str, Spool], poller: Poller, engine: Engine, profiles: Profiles) -> None:
        self._key, self._targets, self._spools = key, targets, spools
        self._poller, self._engine, self._profiles = poller, engine, profiles

    async def run(self, client: Client, clock: Clock) -> None:
        asked = await client.subscribe(subjects.subject("ask", self._key), cb=self._asked)
        try:
            while True:
                try:
                    await self._beat(client, clock)
                    BEATS.labels("answered").inc()
                    HEARD_NS.set(clock.now_ns() / 1e9)
                except (nats.errors.Error, OSError, TimeoutError) as error:
                    BEATS.labels(type(error).__name__).inc()
                except (BlockError, SealError, KeyError, TypeError, ValueError) as error:
                    BEATS.labels("malformed").inc()
                    log.warning("the station's answer cannot be read", error=str(error)[:200])
                if client.is_closed:
                    raise ConnectionError("the bus sent this collector away")
                await asyncio.sleep(BEAT_S)
        finally:
            if client.is_connected:
                await asked.unsubscribe()

    async def _beat(self, client: Client, clock: Clock) -> None:
        said = {
            "version": __version__,
            "now_ns": clock.now_ns(),
            "targets": self._targets.digest,
            "secrets": self._targets.tag,
            "polled": len(self._targets.digests) - len(self._poller.unpolled),
            "unpolled": len(self._poller.unpolled),
            "spools": {kind: _state_of(spool) for kind, spool in self._spools.items()},
        }
        answer = unpacked((await client.request(subjects.subject("beat", self._key), packed(said), timeout=ANSWER_S)).data)
        for kind, spool in self._spools.items():
            spool.release(spool.epoch, int(answer["durable"].get(kind, 0)))
            if kind in answer["wanted"]:
                spool.go_back(int(answer["wanted"][kind]))
        self._targets.look_for(answer["ranges"], answer["credentials"])
        if (answer["targets"], answer["secrets"]) != (self._targets.digest, self._targets.tag):
            await self._sync(client)

    async def _sync(self, client: Client) -> None:
        more = True
        while more:
            asked = {"have": {str(no): digest for no, digest in self._targets.digests.items()}, "secrets": self._targets.tag}
            answer = unpacked((await client.request(subjects.subject("sync", self._key), packed(asked), timeout=ANSWER_S)).data)
            self._targets.take(answer)
            more = bool(answer["more"])
        self._targets.save()

    async def _asked(self, message: Msg) -> None:
        """A look that the station asks for, because a message proves nothing."""
        try:
            asked = unpacked(message.data)
            no = int(asked["device"])
            answer: Any = await self._poller.poll_now(no) if asked["do"] == "poll" else await self._look(no, asked)
            await message.respond(packed(answer))
        except (BlockError, KeyError, TypeError, ValueError, nats.errors.Error) as error:
            log.warning("the station's question cannot be answered", error=str(error)[:200])

    async def _look(self, no: int, asked: Mapping[str, Any]) -> dict[str, Any] | None:
        device = self._targets.topology().devices.get(no)
        credential = self._targets.credential(device.credential) if device else None
        if device is None or credential is None:
            return None
        limits = self._profiles.named(device.profile).client_limits()
        client = SnmpClient(self._engine, device.management_address, device.snmp_port, credential, limits)
        proof: Proof | None = await look_at(client, [int(n) for n in asked["ports"]], [str(each) for each in asked["protocols"]])
        return None if proof is None else proof.document()


def _state_of(spool: Spool) -> dict[str, Any]:
    loss = spool.loss
    state = {"epoch": spool.epoch, "first": spool.first, "sent": spool.sent, "waiting": spool.waiting, "oldest_ns": spool.oldest_ns}
    return state | {"rows_lost": loss.rows, "lost_from_ns": loss.from_ns, "lost_to_ns": loss.to_ns}
