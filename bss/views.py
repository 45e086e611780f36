"""Invoices and bill runs as the API shows them; the issued document itself stays as it is."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bss import money
from station.web import iso

Json = dict[str, Any]
SUMMARY = ("id", "number", "period", "customer_id", "customer_name", "currency", "net_minor", "tax_minor", "gross_minor", "sha256")
STATE = "issued"


def invoice_summary(row: Mapping[str, Any]) -> Json:
    """A row of the list: whole minor units, and `total` in major units as text."""
    period = json.loads(row["document"])["period"]
    shown = {name: row[name] for name in SUMMARY} | {"issued_at": iso(row["issued_ns"]), "customer": row["customer_name"], "state": STATE}
    return shown | _dates(period) | {"total": money.text(row["gross_minor"], row["currency"])}


def invoice_detail(row: Mapping[str, Any]) -> Json:
    """The document with what a screen needs beside it: dates, totals and amounts in major units, each line's quality."""
    document: Json = json.loads(row["document"])
    quality = {of["service"]: f"{of['good']} of {of['slots']} slots good" for of in document["quality"]}
    lines = [
        line
        | {
            "n": line["no"],
            "amount": money.text(line["amount_minor"], document["currency"]),
            "data_quality": quality.get(line["service"]["number"], "") if line["usage_records"] and line["kind"] == "charge" else "",
        }
        for line in document["lines"]
    ]
    total = money.text(document["totals"]["gross_minor"], document["currency"])
    return document | _dates(document["period"]) | {"lines": lines, "total": total, "state": STATE, "sha256": row["sha256"]}


def _dates(period: Mapping[str, str]) -> Json:
    """The first and the last day of a period in its own zone."""
    zone = ZoneInfo(period["time_zone"])
    start, end = (datetime.fromisoformat(period[name]).astimezone(UTC) for name in ("start", "end"))
    last = (end - timedelta(seconds=1)).astimezone(zone)
    return {"period_start": start.astimezone(zone).date().isoformat(), "period_end": last.date().isoformat()}


def bill_run_summary(run: Mapping[str, Any]) -> Json:
    """`state` is open until the run came to its end; `exceptions`: what could not be billed or corrected, and why."""
    closed = run["closed_ns"] is not None
    return {
        "id": run["id"],
        "period": run["period"],
        "from": iso(run["start_ns"]),
        "to": iso(run["end_ns"]),
        "knowledge_cutoff": iso(run["cutoff_ns"]),
        "created_at": iso(run["created_ns"]),
        "created_by": run["created_by"],
        "state": "closed" if closed else "open",
        "closed_at": iso(run["closed_ns"]) if closed else None,
        "invoices": run["invoices"] if closed else 0,
        "exceptions": json.loads(run["exceptions"]) if closed else [],
        "snapshot_sha256": run["snapshot_sha256"],
    }
