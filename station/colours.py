"""What colours the map: the worst severity at each resource and how full each interface is."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from fault.alarms import Severity
from fault.service import FaultService
from perf.pipeline import Pipeline
from station.catalogue import code_of
from station.hub import Hub

_DIRECTIONS: Final = (code_of("interface.in_utilisation"), code_of("interface.out_utilisation"))


class Colours:
    """Looked up again only after something was published; a device has the worst of what is on it."""

    def __init__(self, fault: FaultService, pipeline: Pipeline, hub: Hub) -> None:
        self._fault, self._pipeline, self._hub = fault, pipeline, hub
        self._seq = -1
        self._worst: dict[str, Severity] = {}

    def severity(self, resource_id: str) -> str | None:
        """The X.733 word of the worst active alarm at a resource; None where there is none."""
        if self._seq != self._hub.seq:
            self._seq, self._worst = self._hub.seq, {}
            for alarm in self._fault.book.alarms.values():
                if not alarm.is_cleared:
                    for place in (alarm.resource, alarm.place.device_id):
                        self._worst[place] = max(alarm.severity, self._worst.get(place, alarm.severity))
        found = self._worst.get(resource_id)
        return found.word if found is not None else None

    def utilisation(self, entity_keys: Sequence[int]) -> dict[int, float]:
        """Per cent of each interface's speed, the busier direction; those of which nothing is known are left out."""
        keys = np.array(entity_keys, np.uint64)
        busier = np.fmax(*(self._pipeline.last.latest(code, keys) for code in _DIRECTIONS))
        known = np.isfinite(busier)
        return dict(zip(keys[known].tolist(), (100 * busier[known]).tolist(), strict=True))
