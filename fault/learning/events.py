"""Alarm history as columns: who (device), what (class), when; and how far the devices are from each other."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

EVENTS_MAX: Final = 200_000  # more are cut to the latest, and counted
CLASSES_MAX: Final = 200
DEVICES_MAX: Final = 20_000
CSV_MAX: Final = 512 << 20
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class HistoryError(Exception):
    """A file that is no history; the text names the file, the line and what is wrong."""


@dataclass(frozen=True, slots=True)
class History:
    """Sorted by time. `device` and `kind` index `devices` and `kinds`; `links` are pairs of devices; `cut` events were left out."""

    devices: tuple[str, ...]
    kinds: tuple[str, ...]
    device: Ints
    kind: Ints
    time_s: Floats
    links: frozenset[tuple[int, int]] = frozenset()
    cut: int = 0

    def __post_init__(self) -> None:
        assert len(self.device) == len(self.kind) == len(self.time_s)
        assert bool(np.all(np.diff(self.time_s) >= 0))

    @property
    def span_s(self) -> float:
        return float(self.time_s[-1] - self.time_s[0]) if len(self.time_s) else 0.0


def history(rows: Iterable[tuple[str, str, float]], links: Iterable[tuple[str, str]] = ()) -> History:
    """The history of (device, class, seconds) in any order."""
    found = sorted(rows, key=lambda row: (row[2], row[0], row[1]))
    cut = max(0, len(found) - EVENTS_MAX)
    found = found[cut:]
    kinds = tuple(sorted({row[1] for row in found}, key=_natural))
    pairs = list(links)
    devices = tuple(sorted({row[0] for row in found} | {name for pair in pairs for name in pair}, key=_natural))
    if len(kinds) > CLASSES_MAX or len(devices) > DEVICES_MAX:
        raise HistoryError(f"at most {CLASSES_MAX} classes and {DEVICES_MAX} devices are learnt from")
    number, index = {name: n for n, name in enumerate(devices)}, {name: n for n, name in enumerate(kinds)}
    return History(
        devices,
        kinds,
        np.array([number[row[0]] for row in found], np.int64),
        np.array([index[row[1]] for row in found], np.int64),
        np.array([row[2] for row in found], np.float64),
        frozenset((min(number[a], number[b]), max(number[a], number[b])) for a, b in pairs if a != b),
        cut,
    )


def _natural(text: str) -> tuple[int, int, str]:
    return (0, int(text), "") if text.isdecimal() and len(text) < 19 else (1, 0, text)


def read_csv(file: Path, topology: Path | None = None) -> History:
    """A file with the columns alarm_id, device_id, start_timestamp (end_timestamp is not needed); a matrix of who is linked."""
    if file.stat().st_size > CSV_MAX:
        raise HistoryError(f"{file}: more than {CSV_MAX >> 20} MB")
    rows = []
    with file.open(newline="", encoding="utf-8-sig", errors="replace") as lines:
        reader = csv.DictReader(lines)
        needed = {"alarm_id", "device_id", "start_timestamp"}
        if lacking := sorted(needed - {name.strip() for name in reader.fieldnames or ()}):
            raise HistoryError(f"{file}: there is no column {lacking[0]}")
        for row in reader:
            try:
                rows.append((_plain(row["device_id"]), _plain(row["alarm_id"]), float(row["start_timestamp"])))
            except (TypeError, ValueError) as error:
                raise HistoryError(f"{file}:{reader.line_num}: {error}"[:300]) from error
    if not np.all(np.isfinite([row[2] for row in rows])):
        raise HistoryError(f"{file}: a start_timestamp is no time")
    return history(rows, _links(topology) if topology else ())


def _plain(text: str) -> str:
    """Numbers that a spreadsheet wrote as 3.0 are 3."""
    text = text.strip()
    return text[:-2] if text.endswith(".0") and text[:-2].isdecimal() else text


def _links(file: Path) -> list[tuple[str, str]]:
    """The pairs that an adjacency matrix joins, by row and column: .npy, or CSV of numbers."""
    try:
        matrix: Any = np.load(file, allow_pickle=False) if file.suffix == ".npy" else np.loadtxt(file, delimiter=",", ndmin=2)
    except (ValueError, OSError) as error:
        raise HistoryError(f"{file}: {error}"[:300]) from error
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape[0] > DEVICES_MAX:
        raise HistoryError(f"{file}: an adjacency matrix is square, with at most {DEVICES_MAX} rows")
    return [(str(a), str(b)) for a, b in np.argwhere(matrix != 0).tolist() if a != b]


def rings(it: History, hops: int) -> list[list[Ints]]:
    """Of each device the devices at 0, 1, ... `hops` links from it."""
    beside: list[list[int]] = [[] for _ in it.devices]
    for a, b in it.links:
        beside[a].append(b)
        beside[b].append(a)
    return [_rings_of(beside, start, hops) for start in range(len(it.devices))]


def _rings_of(beside: Sequence[Sequence[int]], start: int, hops: int) -> list[Ints]:
    seen, ring, found = {start}, [start], [np.array([start], np.int64)]
    for _ in range(hops):
        ring = sorted({other for each in ring for other in beside[each]} - seen)
        seen.update(ring)
        found.append(np.array(ring, np.int64))
    return found
