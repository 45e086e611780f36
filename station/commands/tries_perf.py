"""`trunkline try forecast` and `try anomaly`: series of strangers as CSV, the first column the time."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from station.commands.context import OK, USAGE, complain, say

DAY_S = 86_400
POINTS_MAX = 20_000_000  # values of all series together
F64 = npt.NDArray[np.float64]


class TableError(ValueError):
    """What the file lacks to be a table of series."""


@dataclass(frozen=True, slots=True)
class Table:
    """Series as the file has them: `time_s` of each row, f64[series, rows] with NaN where nothing was said, the usual step."""

    names: list[str]
    time_s: npt.NDArray[np.int64]
    values: F64
    step_s: int

    @property
    def slots(self) -> int:
        """Rows a day."""
        return DAY_S // self.step_s


def read(file: Path) -> Table:
    """The table of a CSV file; TableError says what is wrong, with the line where it is one line's fault."""
    with file.open(newline="", encoding="utf-8-sig") as lines:
        rows = csv.reader(lines)
        header = next(rows, [])
        if len(header) < 2:
            raise TableError("line 1: names a time and at least one series")
        times, cells = [], []
        for n, row in enumerate(rows, 2):
            if not row:
                continue
            if len(row) != len(header):
                raise TableError(f"line {n}: {len(row)} cells where the header has {len(header)}")
            times.append(_time_s(row[0], n))
            cells.append([_number(cell, n) for cell in row[1:]])
            if len(cells) * len(row) > POINTS_MAX:
                raise TableError(f"more than {POINTS_MAX} values")
    steps = np.diff(np.sort(np.array(times, np.int64)))
    if not (steps > 0).any():
        raise TableError("a series has at least two instants")
    values = np.array(cells, np.float64).reshape(len(cells), len(header) - 1).T
    return Table(header[1:], np.array(times, np.int64), values, int(np.median(steps[steps > 0])))


def _time_s(text: str, line: int) -> int:
    try:
        return int(float(text))
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise TableError(f"line {line}: {text!r} is no time (RFC 3339, or seconds)") from error
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def _number(text: str, line: int) -> float:
    if not text.strip():
        return float("nan")
    try:
        return float(text)
    except ValueError as error:
        raise TableError(f"line {line}: {text!r} is no number") from error


def _even(table: Table) -> Table:
    """The rows on the grid of their usual step, NaN in between; of two in one place the later counts. TableError where that is too wide."""
    order = np.argsort(table.time_s, kind="stable")
    time_s, values = table.time_s[order], table.values[:, order]
    at = np.round((time_s - time_s[0]) / table.step_s).astype(np.int64)
    if (int(at[-1]) + 1) * len(values) > POINTS_MAX:
        raise TableError("the gaps are longer than the series")
    even = np.full((len(values), int(at[-1]) + 1), np.nan)
    even[:, at] = values
    return Table(table.names, time_s[0] + np.arange(even.shape[1]) * table.step_s, even, table.step_s)


def _table(file: Path, *, even: bool) -> Table | None:
    try:
        return _even(read(file)) if even else read(file)
    except (OSError, UnicodeDecodeError, csv.Error, TableError) as error:
        complain(f"{file}: {error}")
        return None


def forecast(file: Path, check: bool, as_json: bool) -> int:
    """The day after the table; with `check` the last day is held back and compared."""
    from perf.forecast import errors_of
    from perf.forecast import forecast as of

    table = _table(file, even=True)
    if table is None:
        return USAGE
    if DAY_S % table.step_s:
        complain(f"{file}: a day is no whole number of steps of {table.step_s} s")
        return USAGE
    past = table.values[:, : -table.slots] if check else table.values
    said = of(past, table.slots)
    if check:
        errors = errors_of(said, table.values[:, -table.slots :], past, table.slots)
        say(json.dumps(errors) if as_json else "\n".join(f"{name:<12} {value:.4g}" for name, value in errors.items() if value is not None))
        return OK
    times = table.time_s[-1] + (1 + np.arange(table.slots)) * table.step_s
    for n, name in enumerate(table.names):
        columns = {"mean": said.mean[n]} | {f"low_{level}": said.low[level][n] for level in said.low}
        columns |= {f"high_{level}": said.high[level][n] for level in said.high}
        _say_series(name, times.tolist(), columns, as_json)
    return OK


def anomaly(file: Path, as_json: bool) -> int:
    """A score for each row of each series: 0 nothing, from 0.5 worth a look."""
    from perf.anomaly import scores

    table = _table(file, even=False)
    if table is None:
        return USAGE
    slots = table.slots if DAY_S % table.step_s == 0 else 0
    for name, values in zip(table.names, table.values, strict=True):
        _say_series(name, table.time_s.tolist(), {"value": values, "anomaly_score": scores(values, slots)}, as_json)
    return OK


def _say_series(name: str, times: Sequence[int], columns: dict[str, F64], as_json: bool) -> None:
    """One series as a line of JSON, or as CSV under its own header."""
    plain: dict[str, list[float | None]] = {
        key: [None if value != value else value for value in column.tolist()] for key, column in columns.items()
    }
    if as_json:
        say(json.dumps({"series": name, "time": [_text(at) for at in times], **plain}))
        return
    say(",".join(["timestamp", *plain]))
    for at, *cells in zip(times, *plain.values(), strict=True):
        say(",".join([_text(at), *("" if cell is None else f"{cell:.6g}" for cell in cells)]))


def _text(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S")
