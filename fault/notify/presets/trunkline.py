"""Our own JSON: the incident or alarm as `/api/v1` shows it; of an incident that hurts very many, the first thousand."""

from typing import Any

from fault.notify.message import Announcement, Preset

VERSION = 1


def body(it: Announcement) -> dict[str, Any]:
    """`type` is `incident.opened` and the like; `id` is also the Idempotency-Key; of two revisions the higher is newer."""
    found = _one(it)
    return found | ({"others": [_one(other) for other in it.others]} if it.others else {})


def _one(it: Announcement) -> dict[str, Any]:
    return {
        "version": VERSION,
        "id": it.id,
        "type": f"{it.about}.{it.transition}",
        "transition": it.transition,
        "revision": it.revision,
        "at": it.at,
        "simulated": it.simulated,
        "summary": it.summary,
        it.about: it.body,
    }


PRESET = Preset("trunkline", "Trunkline's own JSON", body, groups=True)
