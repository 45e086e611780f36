"""CloudEvents 1.0, structured mode over HTTP (CloudEvents HTTP protocol binding, section 3.2)."""

from typing import Any

from fault.notify.message import JSON, Announcement, Preset

SOURCE = "/trunkline"  # a URI-reference; with the station's own address it is an absolute one


def body(it: Announcement) -> dict[str, Any]:
    """`source` and `id` name one event, the same in every attempt; `sequence` and `partitionkey` give the order of one object."""
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": it.id,
        "source": it.station_url or SOURCE,
        "type": f"trunkline.{it.about}.{it.transition}.v1",
        "subject": it.object_id,
        "time": it.at,
        "datacontenttype": JSON,
        "partitionkey": it.object_id,
        "sequence": f"{it.revision:010d}",  # compared as text: extension `sequence`
        "data": {"summary": it.summary, it.about: it.body},
    }
    return attributes | ({"simulated": True} if it.simulated else {})


PRESET = Preset("cloudevents", "CloudEvents 1.0", body, "application/cloudevents+json; charset=utf-8")
