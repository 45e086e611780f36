"""The walk of some columns of one agent as a state machine without I/O: what to ask next, what an answer gave."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from collectors.codecs.ber import Oid
from collectors.codecs.snmp import END_OF_MIB_VIEW, EXCEPTIONS, VarBind

CELLS_MAX = 1_000_000  # what one walk keeps at most: 20,000 interfaces with 50 columns


@dataclass(slots=True)
class Table:
    """What a walk found: per column the variables by index, and what went wrong by reason."""

    columns: dict[Oid, dict[Oid, VarBind]]
    problems: list[str] = field(default_factory=list)

    def column(self, column: Oid) -> dict[Oid, VarBind]:
        return self.columns.get(column, {})

    @property
    def complete(self) -> bool:
        return not self.problems


class Walk:
    """Each column has its own cursor, so that sparse columns cost nothing and a bad one stops alone."""

    def __init__(self, columns: Sequence[Oid], cells_max: int = CELLS_MAX) -> None:
        self.table = Table({column: {} for column in columns})
        self._cursor: dict[Oid, Oid] = {column: column for column in columns}
        self._cells_max = cells_max
        self._cells = 0

    @property
    def active(self) -> list[Oid]:
        """Columns not yet at their end."""
        return list(self._cursor)

    def cursors(self, columns: Sequence[Oid]) -> tuple[Oid, ...]:
        """Where each column goes on."""
        return tuple(self._cursor[column] for column in columns)

    def end(self, column: Oid, problem: str = "") -> None:
        """A column has no more, or not for us."""
        self._cursor.pop(column, None)
        if problem:
            self.table.problems.append(problem)

    def take(self, columns: Sequence[Oid], varbinds: Sequence[VarBind]) -> int:
        """Keep what an answer gave for `columns`; return how many of its variables were of use."""
        used = 0
        for i, varbind in enumerate(varbinds):
            column = columns[i % len(columns)]
            cursor = self._cursor.get(column)
            if cursor is None:
                continue
            if varbind.tag == END_OF_MIB_VIEW or varbind.oid[: len(column)] != column:
                self.end(column)
                used += 1
            elif varbind.oid <= cursor:
                self.end(column, "not_increasing")
            elif self._cells >= self._cells_max:
                self.end(column, "endless_table")
            else:
                used += 1
                self._keep(column, varbind)
        return used

    def _keep(self, column: Oid, varbind: VarBind) -> None:
        self._cursor[column] = varbind.oid
        if varbind.tag not in EXCEPTIONS:
            self._cells += 1
            self.table.columns[column][varbind.oid[len(column) :]] = varbind
