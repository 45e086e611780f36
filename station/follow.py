"""What polling sees of devices and interfaces, carried to the picture of the network and, as messages, to the rules."""

from collections.abc import Callable, Iterable
from typing import Final

import numpy as np

from collectors.preference import without_covered
from fault.service import FaultService
from inventory.picture import Picture
from inventory.topology import Entity
from station.batch import Notification, SampleBatch
from station.catalogue import code_of
from station.channel import Channel
from station.clock import Clock
from station.series import entity_keys, metrics_of

UP: Final = 1
IF_STATUS: Final = "ifStatus"
IF_STATES: Final = ("", "up", "down", "testing", "unknown", "dormant", "notPresent", "lowerLayerDown")  # RFC 2863
_OPER: Final = code_of("interface.oper_status")
_ADMIN: Final = code_of("interface.admin_status")
_AVAILABLE: Final = code_of("device.availability")
_WATCHED: Final = np.array([_OPER, _ADMIN, _AVAILABLE], np.uint8)


class Follower:
    """Watches the state metrics of every batch. An interface that was up and is down now is told at once.

    What has been down ever since it was first seen is no news: an unused port is not an alarm.
    """

    def __init__(self, picture: Picture, fault: FaultService, clock: Clock) -> None:
        self._picture, self._fault, self._clock = picture, fault, clock
        self._oper: dict[int, int] = {}
        self._admin: dict[int, int] = {}

    async def pass_on(self, polled: Channel[SampleBatch], covered: Callable[[], frozenset[int]], samples: Channel[SampleBatch]) -> None:
        """Carry polled batches on until the channel closes, without what a live stream delivers."""
        async for batch in polled:
            await self.see(batch)
            kept = without_covered(batch, covered())
            if len(kept):
                await samples.put(kept)

    async def see(self, batch: SampleBatch) -> None:
        """Take the states of one batch."""
        rows = np.flatnonzero(np.isin(metrics_of(batch.series), _WATCHED) & np.isfinite(batch.value))
        keys, metrics = entity_keys(batch.series[rows]).tolist(), metrics_of(batch.series[rows]).tolist()
        changed: dict[int, int] = {}
        for key, metric, value, time_ns in zip(keys, metrics, batch.value[rows].tolist(), batch.time_ns[rows].tolist(), strict=True):
            if metric == _AVAILABLE:
                await self._picture.set_device_status(key >> 16, "up" if value else "down", time_ns if value else 0)
            elif metric == _ADMIN:
                self._admin[key] = int(value)
            elif (before := self._oper.get(key)) != int(value):
                self._oper[key] = int(value)
                changed[key] = before if before is not None else self._known(key) or int(value)
        await self._changed(changed)

    def _known(self, key: int) -> int:
        """How the interface stood when the station last looked, before it was started again."""
        entity = self._picture.current().entities.get(key)
        return entity.oper_status if entity else 0

    async def _changed(self, changed: dict[int, int]) -> None:
        if not changed:
            return
        entities, alarmed = self._picture.current().entities, self._fault.open_resources()
        for key in changed:
            await self._picture.set_interface_status(key, self._admin.get(key, 0), self._oper[key])
        known = {key: entities[key] for key in changed if key in entities}
        await self._tell([entity for key, entity in known.items() if changed[key] != self._oper[key] or entity.id in alarmed])

    async def prove(self, device_no: int) -> None:
        """After a verifying poll: say again how the interfaces stand of which somebody claimed something."""
        alarmed = self._fault.open_resources()
        interfaces = self._picture.current().interfaces_of.get(device_no, ())
        await self._tell([entity for entity in interfaces if entity.id in alarmed and entity.key in self._oper])

    async def _tell(self, entities: Iterable[Entity]) -> None:
        now_ns, devices = self._clock.now_ns(), self._picture.current().devices
        said = tuple(
            Notification(
                now_ns,
                devices[entity.device_no].management_address,
                entity.device_no,
                "poll",
                IF_STATUS,
                fields={
                    "ifIndex": str(entity.if_index),
                    "ifName": entity.name,
                    "ifOperStatus": _label(self._oper[entity.key]),
                    "ifAdminStatus": _label(self._admin.get(entity.key, UP)),
                },
                authenticated=True,
            )
            for entity in entities
        )
        if said:
            await self._fault.notifications.put(said)


def _label(state: int) -> str:
    return IF_STATES[state] if 0 < state < len(IF_STATES) else "unknown"
