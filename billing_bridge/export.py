"""Usage for other systems: CSV, JSON lines or TMF635 Usage, with a manifest by which the receiver can check the file.

A file says what mediation knew at one instant (`known_ns`): guided or in suspense. How far billing has come since is not
in it, so the same span known at the same instant gives the same bytes.
"""

import base64
import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import polars as pl

from billing_bridge.portions import UNIT, Span
from station.security.text import csv_cell
from station.web import iso

SCHEMA = "trunkline.usage-export.v1"
COLUMNS = (
    "id", "portion", "revision", "state", "reason", "metering_point", "resource", "meter", "from", "to",
    "in_octets", "out_octets", "unit", "service_id", "customer_id", "evidence", "chain",
)  # fmt: skip


class Format(StrEnum):
    """CSV: RFC 4180 with a header, cells that no spreadsheet runs. JSONL: one object a line. TMF635: a JSON array of Usage.
    PARQUET: the same columns with their types."""

    CSV = "csv"
    JSONL = "jsonl"
    TMF635 = "tmf635"
    PARQUET = "parquet"


MEDIA_TYPES = {
    Format.CSV: "text/csv; charset=utf-8; header=present",
    Format.JSONL: "application/jsonl",
    Format.TMF635: "application/json",
    Format.PARQUET: "application/vnd.apache.parquet",
}
SUFFIXES = {Format.CSV: "csv", Format.JSONL: "jsonl", Format.TMF635: "tmf635.json", Format.PARQUET: "parquet"}
NUMBERS = ("portion", "revision", "in_octets", "out_octets")


@dataclass(frozen=True, slots=True)
class Export:
    """A file and what it should be: `sha256` is of `body`."""

    body: bytes
    media_type: str
    manifest: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """The field value of Repr-Digest (RFC 9530)."""
        return f"sha-256=:{base64.b64encode(bytes.fromhex(self.manifest['sha256'])).decode()}:"


def export(rows: Sequence[Mapping[str, Any]], form: Format, span: Span) -> Export:
    """The rows of `portions` as a file. Sums are per meter: two meters of one port count the same octets."""
    body = {Format.CSV: _csv, Format.JSONL: _jsonl, Format.TMF635: _tmf635, Format.PARQUET: _parquet}[form](rows)
    manifest = {
        "schema": SCHEMA,
        "file": f"usage_{_stamp(span.start_ns)}_{_stamp(span.end_ns)}.{SUFFIXES[form]}",
        "format": form.value,
        "from": iso(span.start_ns),
        "to": iso(span.end_ns),
        "service": span.service,
        "known_until": iso(span.known_ns),
        "known_ns": span.known_ns,
        "count": len(rows),
        "states": dict(Counter(row["state"] for row in rows)),
        "sums": _sums(rows),
        "unit": UNIT,
        "bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    return Export(body, MEDIA_TYPES[form], manifest)


def _stamp(time_ns: int) -> str:
    """20260601T000000Z: a time that every file system takes."""
    return (iso(time_ns) or "begin").partition(".")[0].replace("-", "").replace(":", "") + ("Z" if time_ns else "")


def _sums(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    sums: dict[str, dict[str, int]] = {}
    for row in rows:
        of = sums.setdefault(row["meter"], {"count": 0, "in_octets": 0, "out_octets": 0})
        of["count"] += 1
        for name in ("in_octets", "out_octets"):
            of[name] += row[name]
    return sums


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([csv_cell(row[name]) for name in COLUMNS] for row in rows)
    return text.getvalue().encode()


def _jsonl(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return b"".join(_json({name: row[name] for name in COLUMNS}) + b"\n" for row in rows)


def _parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """One row group: the same rows give the same bytes with the same release of polars."""
    schema = {name: pl.Int64 if name in NUMBERS else pl.String for name in COLUMNS}
    frame = pl.DataFrame([{name: row[name] for name in COLUMNS} for row in rows], schema=schema)
    body = io.BytesIO()
    frame.write_parquet(body, compression="zstd", row_group_size=max(1, len(rows)))
    return body.getvalue()


def _tmf635(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return b"[" + b",\n".join(_json(tmf635(row)) for row in rows) + b"]\n"


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def usage_id(start_ns: int, record_id: str, portion: int) -> str:
    """The id of a portion as a Usage: with its instant in front, so that it is found by seeking."""
    return f"{start_ns:x}-{record_id}-{portion}"


def tmf635(row: Mapping[str, Any]) -> dict[str, Any]:
    """A portion as a Usage of TMF635 v4."""
    facts: list[tuple[str, str, Any]] = [
        ("meteringPoint", "string", row["metering_point"]),
        ("resource", "string", row["resource"]),
        ("start", "dateTime", row["from"]),
        ("end", "dateTime", row["to"]),
        ("inOctets", "integer", row["in_octets"]),
        ("outOctets", "integer", row["out_octets"]),
        ("revision", "integer", row["revision"]),
        ("serviceId", "string", row["service_id"]),
        ("suspenseReason", "string", row["reason"]),
        ("evidenceSha256", "string", row["evidence"]),
        ("chainSha256", "string", row["chain"]),
    ]
    usage = {
        "@type": "Usage",
        "id": usage_id(row["start_ns"], row["id"], row["portion"]),
        "usageDate": row["from"],
        "usageType": row["meter"],
        "description": f"Octets of {row['resource'] or row['metering_point']}",
        "status": row["state"],
        "usageSpecification": {"id": row["meter"], "name": row["meter"], "@referredType": "UsageSpecification"},
        "usageCharacteristic": [{"name": name, "valueType": kind, "value": value} for name, kind, value in facts if value != ""],
    }
    party = {"id": row["customer_id"], "role": "customer", "@referredType": "Customer"}
    return usage | ({"relatedParty": [party]} if row["customer_id"] else {})
