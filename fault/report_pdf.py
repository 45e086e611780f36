"""The monthly report of faults as a designed PDF, from the same figures as the API; texts enter as data, none can act as markup."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import typst

from station.clock import NS_PER_S

TEMPLATE: Final = Path(__file__).with_name("report.typ")
ROWS_MAX: Final = 25  # of each table; the API lists all
GROUPS: Final = {"alarm_type": "By class", "vendor": "By vendor", "site": "By site", "team": "By team"}


def pdf(month: str, said: Mapping[str, Any], now_ns: int, *, simulated: bool = False) -> bytes:
    """The pages of a report as `/api/v1/fault-report` says it."""
    page: Any = typst.compile(
        str(TEMPLATE), format="pdf", sys_inputs={"report": json.dumps(view(month, said, now_ns, simulated=simulated))}
    )
    return bytes(page)


def view(month: str, said: Mapping[str, Any], now_ns: int, *, simulated: bool) -> dict[str, Any]:
    """What the pages show, every figure written out."""
    whole = said["all"]
    return {
        "title": datetime.strptime(month, "%Y-%m").strftime("%B %Y"),  # noqa: DTZ007 - a month has no zone
        "made": f"{datetime.fromtimestamp(now_ns // NS_PER_S, UTC):%Y-%m-%d %H:%M} UTC",
        "span": " to ".join(said[name][:16].replace("T", " ") for name in ("from", "to")) + " UTC",
        "simulated": simulated,
        "whole": said["whole"],
        "counts": [
            ["Faults", str(whole["faults"])],
            ["MTTA", lasted(whole["mtta_s"])],
            ["MTTR", lasted(whole["mttr_s"])],
            ["MTBF", lasted(whole["mtbf_s"])],
            ["Customer-minutes lost", f"{said['customer_minutes_lost']:,.0f}"],
        ],
        "groups": [_group(title, name, said[f"by_{name}"]) for name, title in GROUPS.items()],
        "repeats": [
            [f"{row['device']} {row['object']}".strip(), row["alarm_type"], row["site"], str(row["faults"])] for row in said["repeats"]
        ],
        "customers": [[row["customer"], f"{row['minutes']:,.0f}"] for row in said["customers"][:ROWS_MAX]],
    }


def _group(title: str, name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    said = [
        [row[name] or "–", str(row["faults"]), lasted(row["mtta_s"]), lasted(row["mttr_s"]), lasted(row["mtbf_s"])]
        for row in rows[:ROWS_MAX]
    ]
    return {"title": title, "rows": said, "more": max(0, len(rows) - ROWS_MAX)}


def lasted(seconds: float | None) -> str:
    """12 d 3 h; 3 h 05 min; 12 min; 45 s; a dash for what is not known."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole >= 86_400:
        return f"{whole // 86_400} d {whole % 86_400 // 3_600} h"
    if whole >= 3_600:
        return f"{whole // 3_600} h {whole % 3_600 // 60:02d} min"
    return f"{whole // 60} min" if whole >= 60 else f"{whole} s"
