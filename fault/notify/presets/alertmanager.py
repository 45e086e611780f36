"""What Prometheus Alertmanager sends to a webhook, version 4 (alertmanager, template.Data and notify/webhook)."""

from collections.abc import Mapping
from typing import Any, Final

from fault.notify.message import Announcement, Preset

ZERO_TIME: Final = "0001-01-01T00:00:00Z"  # Go's zero time: what `endsAt` says while an alert fires
VALUES_MAX: Final = 20  # names in one annotation
_FNV_OFFSET: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3


def fingerprint(labels: Mapping[str, str]) -> str:
    """FNV-1a 64 over the sorted labels, each name and value ended by 0xff (prometheus/common, model.Fingerprint)."""
    value = _FNV_OFFSET
    for octet in b"".join(
        f"{name}".encode() + b"\xff" + text.encode("utf-8", "replace") + b"\xff" for name, text in sorted(labels.items())
    ):
        value = (value ^ octet) * _FNV_PRIME & (1 << 64) - 1
    return f"{value:016x}"


def body(it: Announcement) -> dict[str, Any]:
    """One group of one alert: the incident or alarm. What names it never changes, so that its end finds its beginning."""
    identity, alert = _identity(it), _alert(it)
    alerts = [alert, *(_alert(other) for other in it.others)]
    firing = any(each["status"] == "firing" for each in alerts)
    return {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{identity["alertname"]}", {it.about}="{it.object_id}"}}',
        "truncatedAlerts": 0,
        "status": "firing" if firing else "resolved",
        "receiver": it.webhook,
        "groupLabels": _common([identity, *(_identity(other) for other in it.others)]),
        "commonLabels": _common([each["labels"] for each in alerts]),
        "commonAnnotations": _common([each["annotations"] for each in alerts]),
        "externalURL": it.station_url,
        "alerts": alerts,
    }


def _common(each: list[dict[str, str]]) -> dict[str, str]:
    """What all of them say alike."""
    return {name: value for name, value in each[0].items() if all(other.get(name) == value for other in each[1:])}


def _alert(it: Announcement) -> dict[str, Any]:
    identity = _identity(it)
    return {
        "status": "resolved" if it.over else "firing",
        "labels": {**identity, **_labels(it)},
        "annotations": _annotations(it),
        "startsAt": it.opened_at,
        "endsAt": it.ended_at if it.over else ZERO_TIME,
        "generatorURL": it.link,
        "fingerprint": fingerprint(identity),
    }


def _identity(it: Announcement) -> dict[str, str]:
    name = "TrunklineIncident" if it.about == "incident" else it.body["alarm_type"]
    return {"alertname": name, it.about: it.object_id}


def _labels(it: Announcement) -> dict[str, str]:
    found = {"severity": it.severity, "simulated": "true" if it.simulated else ""}
    if it.about == "incident":
        found |= {"kind": it.body["root"]["kind"], "root": it.body["root"]["name"], "verdict": it.body["verdict"]}
    else:
        found |= {"device": it.body["device"], "object": it.body["object"], "site": it.body["site"], "region": it.body["region"]}
    return {name: value for name, value in found.items() if value}  # an empty label is an absent one


def _annotations(it: Announcement) -> dict[str, str]:
    found = {"summary": it.summary}
    if it.about == "incident":
        found["description"] = "\n".join(it.body["explanation"]["evidence"])
        for name in ("services", "customers"):
            found[name] = ", ".join(each["name"] for each in it.body[name][:VALUES_MAX])
    return {name: value for name, value in found.items() if value}


PRESET = Preset("alertmanager", "Alertmanager webhook, version 4", body, groups=True)
