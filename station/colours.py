"""What colours the map: the worst severity at each resource and how full each interface is."""

from math import isfinite
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

    def utilisation(self, entity_key: int) -> float | None:
        """Per cent of the interface's speed, the busier direction; None while nothing is known."""
        key = np.array([entity_key], np.uint64)
        found = [float(self._pipeline.last.latest(code, key)[0]) for code in _DIRECTIONS]
        known = [value for value in found if isfinite(value)]
        return 100 * max(known) if known else None
