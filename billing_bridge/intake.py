"""Files of other systems' usage, line by line: JSON Lines and CSV.

A line says `meter`, `service`, `quantity` (whole base units) and `time` (RFC 3339) or `time_ns`, and may say `external_id`
(its id there) and `key` (where it went). Who delivers names the source; a line cannot. A line that cannot be read is kept
as it came, with the reason.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import islice
from typing import Any

from pydantic import ValidationError

from billing_bridge.events import Arrived, EventIn, Unread
from station.web import ProblemError, time_ns

LINE_MAX = 65_536  # bytes
COLUMNS = frozenset(("meter", "service", "quantity", "time", "time_ns", "external_id", "key"))


class Form(StrEnum):
    """How a file says its usage."""

    JSONL = "jsonl"
    CSV = "csv"


class HeaderError(ValueError):
    """The first line of a CSV file names no usable columns."""


def read(lines: Iterable[bytes], form: Form, source: str) -> Iterator[Arrived]:
    """The events of a file's lines; blank lines are nothing. HeaderError for a CSV file without its columns."""
    return _jsonl(lines, source) if form == Form.JSONL else _csv(lines, source)


def batches(arrived: Iterable[Arrived], size: int) -> Iterator[list[Arrived]]:
    """`arrived` in lists of at most `size`."""
    rest = iter(arrived)
    while batch := list(islice(rest, size)):
        yield batch


def _jsonl(lines: Iterable[bytes], source: str) -> Iterator[Arrived]:
    for line in lines:
        if not line.strip():
            continue
        if len(line) > LINE_MAX:
            yield Unread(source, line[:LINE_MAX], "line_too_long")
            continue
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            said = None
        yield _event(said, source, line) if isinstance(said, dict) else Unread(source, line, "unparsable")


def _csv(lines: Iterable[bytes], source: str) -> Iterator[Arrived]:
    rest = iter(lines)
    header = _cells(next(rest, b"").removeprefix(b"\xef\xbb\xbf")) or []
    named = set(header)
    if not {"meter", "service", "quantity"} <= named or not named & {"time", "time_ns"} or named - COLUMNS or len(named) < len(header):
        raise HeaderError(f"the first line names columns among {', '.join(sorted(COLUMNS))}; at least meter, service, quantity, time")
    for line in rest:
        if not line.strip():
            continue
        cells = _cells(line) if len(line) <= LINE_MAX else None
        if cells is None or len(cells) != len(header):
            yield Unread(source, line[:LINE_MAX], "line_too_long" if len(line) > LINE_MAX else "unparsable")
            continue
        said: dict[str, Any] = dict(zip(header, cells, strict=True))
        yield _event(said | {name: _whole(said[name]) for name in ("quantity", "time_ns") if name in said}, source, line)


def _cells(line: bytes) -> list[str] | None:
    """The cells of one line; None when it is no UTF-8 or its quotes are not closed."""
    try:
        return next(csv.reader([line.decode().rstrip("\r\n")], strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        return None


def _whole(text: str) -> Any:
    """A whole number, or the text that is none, for the event to refuse."""
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 20 else text


def _event(said: dict[str, Any], source: str, line: bytes) -> Arrived:
    try:
        if "time" in said:
            said = {name: value for name, value in said.items() if name != "time"} | {"time_ns": time_ns(str(said["time"]))}
        return EventIn.model_validate(said | {"source": source})
    except ProblemError:
        return Unread(source, line, "bad_time")
    except ValidationError as error:
        fault = error.errors()[0]
        return Unread(source, line, f"bad_{fault['loc'][0]}" if fault["loc"] and fault["loc"][0] in EventIn.model_fields else "unparsable")
