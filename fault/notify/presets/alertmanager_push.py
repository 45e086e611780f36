"""Alerts for an Alertmanager itself: POST .../api/v2/alerts takes a list; sent again before it forgets (resolve_timeout)."""

from typing import Any

from fault.notify.message import Announcement, Preset
from fault.notify.presets import alertmanager


def body(it: Announcement) -> list[dict[str, Any]]:
    """The alert of each object. `endsAt` is left out while it stands: the Alertmanager then counts from the last push."""
    return [_alert(each) for each in (it, *it.others)]


def _alert(it: Announcement) -> dict[str, Any]:
    whole = alertmanager.body(it)["alerts"][0]
    kept = {"labels": whole["labels"], "annotations": whole["annotations"], "startsAt": whole["startsAt"]}
    kept |= {"generatorURL": it.link} if it.link else {}
    return kept | ({"endsAt": whole["endsAt"]} if it.over else {})


PRESET = Preset("alertmanager_push", "Alertmanager's own API, version 2", body, groups=True)
