"""Other systems' alerts become alarms: an Alertmanager's webhook (version 4), or Prometheus itself, which takes this for one.

An alert belongs to the device that its labels name (`instance`, `node`, `host`, `device`), to the port they name with it,
else to nothing in the inventory; it is never dropped for that. Its labels make it what it is: told again it is the same
alarm, and resolved it is cleared.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, field_validator

from fault.alarm_types import alarm_types, type_of
from fault.metrics import NOTIFICATIONS
from fault.resources import Resources
from fault.service import FaultService
from inventory.topology import Device
from station.batch import Event
from station.clock import NS_PER_S
from station.ids import derived_id
from station.scope import Role
from station.web import Caller

FOREIGN: Final = "processing.foreign_alert"
ALERTS_MAX: Final = 1_000  # in one delivery
LABELS_MAX: Final = 64
TEXT_CHARS_MAX: Final = 1_024
DEVICE_LABELS: Final = ("node", "device", "host", "hostname", "instance")
PORT_LABELS: Final = ("interface", "ifName", "ifname", "ifDescr")
SEVERITIES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("critical", "page", "emergency", "fatal", "disaster"), "critical"),
    **dict.fromkeys(("major", "error", "high", "ticket"), "major"),
    **dict.fromkeys(("minor", "average", "medium"), "minor"),
    **dict.fromkeys(("warning", "warn", "info", "low", "notice"), "warning"),
}
Words = Annotated[dict[str, str], Field(max_length=LABELS_MAX)]


class Alert(BaseModel):
    """One alert as Prometheus and Alertmanager send it; what else they say of it is not needed."""

    model_config = ConfigDict(extra="ignore")

    labels: Words
    annotations: Words = {}
    status: Literal["firing", "resolved", ""] = ""
    endsAt: str = ""  # noqa: N815 - their name for it

    @field_validator("labels", "annotations")
    @classmethod
    def _short(cls, words: dict[str, str]) -> dict[str, str]:
        return {name[:128]: value[:TEXT_CHARS_MAX] for name, value in words.items()}


class Webhook(BaseModel):
    """The body of Alertmanager's webhook, version 4."""

    model_config = ConfigDict(extra="ignore")

    alerts: Annotated[list[Alert], Field(max_length=ALERTS_MAX)]


Alerts = Annotated[list[Alert], Field(max_length=ALERTS_MAX)]


def router(service: FaultService) -> APIRouter:
    """`/api/v1/alerts` for Alertmanager's webhook, `/api/v2/alerts` where a Prometheus looks for an Alertmanager."""
    routes = APIRouter(tags=["fault"])

    async def take(caller: Caller, alerts: Sequence[Alert]) -> dict[str, int]:
        caller.require(Role.OPERATOR, "raising alarms for another system")
        now_ns = service.clock.now_ns()
        events = tuple(event_of(alert, service.resources, now_ns, caller.user) for alert in alerts)
        if events:
            await service.events.put(events)
        return {"taken": len(events), "of_devices": sum(event.resource != FOREIGN for event in events)}

    @routes.post("/api/v1/alerts")
    async def webhook(caller: Caller, body: Webhook) -> dict[str, int]:
        return await take(caller, body.alerts)

    @routes.post("/api/v2/alerts")
    async def prometheus(caller: Caller, body: Alerts) -> dict[str, int]:
        return await take(caller, body)

    return routes


def event_of(alert: Alert, resources: Resources, now_ns: int, source: str) -> Event:
    """The alarm change that an alert stands for."""
    device = _device(alert.labels, resources)
    name = alert.labels.get("alertname", "alert")
    kind = type_of(FOREIGN, alarm_types())
    NOTIFICATIONS.labels("alertmanager", "event" if device else "unknown_sender").inc()
    said = [alert.annotations.get(key, "") for key in ("summary", "description", "message")]
    return Event(
        time_ns=now_ns,
        resource=_resource(alert.labels, device, resources),
        alarm_type=FOREIGN,
        severity="cleared" if _is_over(alert, now_ns) else SEVERITIES.get(alert.labels.get("severity", "").lower(), "indeterminate"),
        text=(next((text for text in said if text), "") or name)[:TEXT_CHARS_MAX],
        qualifier=f"{name} {_fingerprint(alert.labels)}"[:255],
        source=f"alertmanager {source}"[:128],
        event_type=kind.event_type,
        probable_cause=kind.probable_cause,
        proposed_repair=alert.annotations.get("runbook_url", "") or kind.proposed_repair,
        fields=alert.labels,
        authenticated=True,
    )


def _device(labels: Mapping[str, str], resources: Resources) -> Device | None:
    """The device that a label names, by name or address; a port number behind it does not count."""
    topology = resources.topology
    for key in DEVICE_LABELS:
        text = labels.get(key, "")
        for name in (text, text.rpartition(":")[0].strip("[]")):
            found = topology.device_by_name.get(name) or topology.devices.get(topology.addresses.get(name, 0))
            if name and found is not None:
                return found
    return None


def _resource(labels: Mapping[str, str], device: Device | None, resources: Resources) -> str:
    if device is None:
        return FOREIGN
    name = next((labels[key] for key in PORT_LABELS if labels.get(key)), "")
    port = resources.interface(device.no, labels.get("ifIndex", ""), name)
    return port.id if port else device.id


def _is_over(alert: Alert, now_ns: int) -> bool:
    """Whether it is resolved: said so, or its end has come (Prometheus names one in the future while an alert fires)."""
    if alert.status or not alert.endsAt:
        return alert.status == "resolved"
    try:
        ends = datetime.fromisoformat(alert.endsAt)
    except ValueError:
        return False
    return ends.year > 1 and ends.timestamp() * NS_PER_S <= now_ns


def _fingerprint(labels: Mapping[str, Any]) -> str:
    """What tells two alerts of one name apart; how severe it is says nothing of which it is."""
    return derived_id(*(text for name in sorted(labels) if name != "severity" for text in (name, labels[name])))[:12]
