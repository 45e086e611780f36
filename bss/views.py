"""Invoices and bill runs as the API shows them; the issued document itself stays as it is."""

import json
from collections.abc import Mapping, Sequence
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


def invoice_detail(row: Mapping[str, Any], settled: Sequence[tuple[str, str, int]] = ()) -> Json:
    """The document with what a screen needs beside it: dates, totals and amounts in major units, each line's quality, and
    what is open of it after what `settled` it: (payment, document or write_off, its id, minor units)."""
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
    shown = {"lines": lines, "total": total, "state": STATE, "sha256": row["sha256"], "account": _account(document, settled)}
    return document | _dates(document["period"]) | shown


def _account(document: Mapping[str, Any], settled: Sequence[tuple[str, str, int]]) -> Json:
    open_minor = document["totals"]["gross_minor"] - sum(amount for _, _, amount in settled)
    by = [{"kind": kind, "id": id_, "amount_minor": amount} for kind, id_, amount in sorted(settled)]
    return {"open_minor": open_minor, "open": money.text(open_minor, document["currency"]), "settled_by": by}


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
