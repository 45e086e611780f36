"""The monthly report of service levels as a workbook and as a designed PDF, from the same rows as the API."""

import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from perf.sla.levels import Level
from perf.sla.views import level_json

TEMPLATE: Final = Path(__file__).with_name("report.typ")
COLUMNS: Final = (
    "service", "name", "customer", "sla", "target", "availability", "met", "outlook",
    "counted_s", "down_s", "unknown_s", "excluded_s", "budget_s", "left_s", "credit_percent",
)  # fmt: skip
OBJECTIVES: Final = ("service", "name", "customer", "sli", "promise", "value", "unit", "met", "slots", "known", "good", "credit_percent")
SPANS: Final = ("service", "name", "customer", "kind", "from", "to", "seconds")
PAGES_MAX: Final = 2_000  # services in one PDF; a workbook takes them all


class ReportError(Exception):
    """The report cannot be set; the text says why."""


Row = dict[str, Any]


def summary_rows(levels: Sequence[Level]) -> list[Row]:
    """One row a service."""
    return [_flat(level_json(level)) for level in levels]


def _flat(row: Row) -> Row:
    return row | {"service": row["service"]["number"], "name": row["service"]["name"], "customer": row["customer"]["name"]}


def workbook(month: str, levels: Sequence[Level]) -> bytes:
    """Sheets Services, Objectives and Time; every text is a string cell, so that none can act as a formula."""
    import xlsxwriter

    out = io.BytesIO()
    whole = [(_flat(said), said) for said in (level_json(level, whole=True) for level in levels)]
    with xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}) as book:
        book.set_properties({"title": f"Service levels {month}"})
        _sheet(book, "Services", COLUMNS, [row for row, _ in whole])
        _sheet(book, "Objectives", OBJECTIVES, [row | each for row, said in whole for each in said["objectives"]])
        _sheet(book, "Time", SPANS, [row | each | {"kind": kind} for row, said in whole for kind, each in _spans(said)])
    return out.getvalue()


def _spans(said: Mapping[str, Any]) -> list[tuple[str, Row]]:
    kinds = {"outages": "outage", "excluded": "excluded", "unknown": "unknown"}
    return [(name, each) for key, name in kinds.items() for each in said[key]]


def _sheet(book: Any, name: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    sheet = book.add_worksheet(name)
    head = book.add_format({"bold": True, "bottom": 1})
    decimal = book.add_format({"num_format": "0.0000"})
    sheet.freeze_panes(1, 0)
    for at, column in enumerate(columns):
        sheet.write_string(0, at, column.replace("_s", " (s)") if column.endswith("_s") else column.replace("_", " "), head)
        sheet.set_column(at, at, 26 if column in ("name", "customer", "promise", "from", "to") else 13)
    for n, row in enumerate(rows, 1):
        for at, column in enumerate(columns):
            value = row[column]
            if column in ("target", "availability", "credit_percent", "value") and value is not None:
                sheet.write_number(n, at, float(value), decimal)
            elif isinstance(value, bool):
                sheet.write_boolean(n, at, value)
            elif isinstance(value, int):
                sheet.write_number(n, at, value)
            elif value is not None:
                sheet.write_string(n, at, str(value))
    if rows:
        sheet.autofilter(0, 0, len(rows), len(columns) - 1)


def pdf(month: str, levels: Sequence[Level], made: datetime) -> bytes:
    """The report as pages; texts enter as data, so none can act as markup. ReportError beyond PAGES_MAX services."""
    import typst

    if len(levels) > PAGES_MAX:
        raise ReportError(f"A PDF takes {PAGES_MAX} services, these are {len(levels)}: choose a customer, or take the workbook.")
    try:
        page: Any = typst.compile(str(TEMPLATE), format="pdf", sys_inputs={"report": json.dumps(_view(month, levels, made))})
    except RuntimeError as error:
        raise ReportError(str(error)) from error
    return bytes(page)


def _view(month: str, levels: Sequence[Level], made: datetime) -> Row:
    """What the pages show, every figure written out."""
    rows = [level_json(level, whole=True) for level in levels]
    met = Counter("unknown" if row["met"] is None else "met" if row["met"] else "missed" for row in rows)
    return {
        "title": datetime.strptime(month, "%Y-%m").strftime("%B %Y"),  # noqa: DTZ007 - a month has no zone
        "made": f"{made:%Y-%m-%d %H:%M} UTC",
        "counts": [
            ["Services", str(len(rows))],
            ["Kept", str(met["met"])],
            ["Missed", str(met["missed"])],
            ["Not known", str(met["unknown"])],
        ],
        "rows": [_line(row) for row in rows],
        "details": [_detail(row) for row in rows if row["met"] is False or row["outages"]],
    }


def _line(row: Row) -> Row:
    said = "not known" if row["met"] is None else "kept" if row["met"] else "missed"
    percent = "–" if row["availability"] is None else f"{row['availability']} %"
    return {
        "number": row["service"]["number"],
        "name": row["service"]["name"],
        "customer": row["customer"]["name"],
        "sla": row["sla"],
        "target": f"{row['target']} %",
        "availability": percent,
        "down": lasted(row["down_s"]),
        "met": said,
        "credit": f"{row['credit_percent']} %" if row["credit_percent"] not in ("0", "0.0") else "–",
    }


def _detail(row: Row) -> Row:
    """A service that lost something: its outages and its objectives."""
    outages = [[one["from"][:16].replace("T", " "), one["to"][:16].replace("T", " "), lasted(one["seconds"])] for one in row["outages"]]
    objectives = [
        [one["promise"], "–" if one["value"] is None else f"{one['value']} {one['unit']}", _word(one["met"])] for one in row["objectives"]
    ]
    return _line(row) | {"outages": outages[:50], "more": max(0, len(outages) - 50), "objectives": objectives, "summary": row["summary"]}


def _word(met: bool | None) -> str:
    return "not known" if met is None else "kept" if met else "missed"


def lasted(seconds: int) -> str:
    """3 h 05 min; 12 min; 45 s."""
    if seconds >= 3600:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
    return f"{seconds // 60} min" if seconds >= 60 else f"{seconds} s"
