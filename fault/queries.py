"""Reading alarms out of the store: the list with its filter, order, pages and counts. Every value is a bound parameter."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fault.alarms import SEVERITIES, Alarm, Severity
from fault.filters import NUMBER_FIELDS, SEARCHED, TEXT_FIELDS, Compare, Flag, Match, Not, Term, Word, lower
from fault.resources import Resources
from fault.store import alarm, alarm_history, alarm_of, chunks
from station.scope import Scope
from station.web import PAGE_LIMIT, ProblemError

Sort = Literal["severity", "raised_at", "device"]
Which = Literal["active", "cleared", "all"]
Condition = sa.ColumnElement[bool]
HISTORY_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class AlarmQuery:
    """What the list is to show. `which` active includes what is cleared but not acknowledged when `unseen`."""

    terms: tuple[Term, ...] = ()
    which: Which = "active"
    shelved: bool | None = None
    site: str = ""
    region: str = ""
    severities: tuple[Severity, ...] = ()
    sort: Sort = "severity"
    cursor: str = ""
    limit: int = 100


@dataclass(frozen=True, slots=True)
class AlarmPage:
    alarms: tuple[Alarm, ...]
    next: str | None
    total: int
    counts: Mapping[str, int]


_ORDER: dict[Sort, tuple[tuple[str, ...], bool]] = {  # columns, descending
    "severity": (("severity", "unacked", "raised_ns", "id"), True),
    "raised_at": (("raised_ns", "id"), True),
    "device": (("device", "object", "id"), False),
}


async def list_alarms(conn: AsyncConnection, scope: Scope, query: AlarmQuery, resources: Resources) -> AlarmPage:
    """One page, the number of all that match, and how many of each severity."""
    where = [*visible(scope, resources), *conditions(query)]
    counted = await conn.execute(sa.select(alarm.c.severity, sa.func.count()).where(*where).group_by(alarm.c.severity))
    counts = {Severity(severity).word: n for severity, n in counted}
    columns, descending = _ORDER[query.sort]
    order = [alarm.c[name].desc() if descending else alarm.c[name].asc() for name in columns]
    page = sa.select(alarm).where(*where, *_after(query)).order_by(*order).limit(min(query.limit, PAGE_LIMIT) + 1)
    rows = (await conn.execute(page)).mappings().all()
    shown = rows[: min(query.limit, PAGE_LIMIT)]
    following = _cursor(query.sort, shown[-1]) if len(rows) > len(shown) and shown else None
    return AlarmPage(
        tuple(alarm_of(row) for row in shown), following, sum(counts.values()), {word: counts.get(word, 0) for word in SEVERITIES}
    )


async def matching_ids(conn: AsyncConnection, scope: Scope, query: AlarmQuery, resources: Resources, limit: int) -> list[str]:
    """The ids of all that match, at most `limit`."""
    found = await conn.execute(
        sa.select(alarm.c.id).where(*visible(scope, resources), *conditions(query)).order_by(alarm.c.id).limit(limit)
    )
    return list(found.scalars())


async def visible_ids(conn: AsyncConnection, scope: Scope, ids: Sequence[str], resources: Resources) -> set[str]:
    """Those of `ids` that the caller may see."""
    found: set[str] = set()
    for part in chunks(ids):
        found |= set((await conn.execute(sa.select(alarm.c.id).where(*visible(scope, resources), alarm.c.id.in_(part)))).scalars())
    return found


async def alarm_by_id(conn: AsyncConnection, scope: Scope, key: str, resources: Resources) -> Alarm | None:
    row = (await conn.execute(sa.select(alarm).where(alarm.c.id == key, *visible(scope, resources)))).mappings().first()
    return alarm_of(row) if row else None


async def history_of(conn: AsyncConnection, scope: Scope, key: str) -> list[Mapping[Any, Any]]:
    """The newest thousand changes of an alarm, oldest first."""
    mine = sa.select(alarm_history).where(alarm_history.c.tenant == scope.tenant, alarm_history.c.alarm_id == key)
    rows = (await conn.execute(mine.order_by(alarm_history.c.seq.desc()).limit(HISTORY_LIMIT))).mappings().all()
    return list(reversed(rows))


def visible(scope: Scope, resources: Resources) -> list[Condition]:
    """What the caller may see: the tenant, and where the scope names them, its regions and its customers' resources."""
    seen: list[Condition] = [alarm.c.tenant == scope.tenant]
    if scope.regions:
        seen.append(alarm.c.region.in_(scope.regions))
    if scope.customers:
        seen.append(alarm.c.resource.in_(resources.of_customers(scope.customers)))
    return seen


def conditions(query: AlarmQuery) -> list[Condition]:
    where = [condition(term) for term in query.terms]
    if query.which != "all":
        where.append(alarm.c.is_cleared == int(query.which == "cleared"))
    if query.shelved is not None:
        where.append((alarm.c.shelf_until_ns > 0) == sa.literal(query.shelved))
    where += [alarm.c[name] == value for name, value in (("site", query.site), ("region", query.region)) if value]
    if query.severities:
        where.append(alarm.c.severity.in_([int(severity) for severity in query.severities]))
    return where


def condition(term: Term) -> Condition:
    """A term as an expression over the columns; the counterpart of `fault.filters.matches`."""
    match term:
        case Not(inner):
            return sa.not_(condition(inner))
        case Word(text):
            pattern = f"%{_escaped(lower(text))}%"
            return sa.or_(*(sa.func.lower(alarm.c[name]).like(pattern, escape="\\") for name in SEARCHED))
        case Match(field, patterns):
            return sa.or_(*(_matches(alarm.c[TEXT_FIELDS[field]], lower(pattern)) for pattern in patterns))
        case Compare(field, op, values):
            column = alarm.c[NUMBER_FIELDS[field]]
            return sa.or_(*(column.op(op)(value) for value in values))
        case Flag(name):
            return _FLAG[name]


def _matches(column: sa.Column[str], pattern: str) -> Condition:
    if "*" not in pattern:
        return sa.func.lower(column) == pattern
    return sa.func.lower(column).like(_escaped(pattern).replace("*", "%"), escape="\\")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


_FLAG: dict[str, Condition] = {
    "acked": alarm.c.ack_ns > 0,
    "unacked": alarm.c.ack_ns == 0,
    "shelved": alarm.c.shelf_until_ns > 0,
    "suppressed": alarm.c.suppressed == 1,
    "root": alarm.c.is_root == 1,
    "cleared": alarm.c.is_cleared == 1,
    "active": alarm.c.is_cleared == 0,
    "chattering": alarm.c.chattering == 1,
    "unauthenticated": alarm.c.authenticated == 0,
    "maintenance": alarm.c.maintenance != "",
}


def _cursor(sort: Sort, row: Mapping[Any, Any]) -> str:
    values = [row[name] for name in _ORDER[sort][0]]
    return base64.urlsafe_b64encode(json.dumps([sort, *values]).encode()).decode()


def _after(query: AlarmQuery) -> Sequence[Condition]:
    """The rows behind the cursor: a comparison of rows, so that pages do not shift when alarms come and go."""
    if not query.cursor:
        return ()
    columns, descending = _ORDER[query.sort]
    try:
        sort, *values = json.loads(base64.b64decode(query.cursor.encode(), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, TypeError) as error:
        raise ProblemError(422, "Not a cursor", "Take the cursor from the page before.") from error
    kinds = [str if isinstance(alarm.c[name].type, sa.String) else int for name in columns]
    if sort != query.sort or len(values) != len(columns) or any(type(v) is not kind for v, kind in zip(values, kinds, strict=True)):
        raise ProblemError(422, "Not a cursor", "Take the cursor from the page before, with the same sort.")
    here = sa.tuple_(*(alarm.c[name] for name in columns))
    there = sa.tuple_(*(sa.literal(value, alarm.c[name].type) for name, value in zip(columns, values, strict=True)))
    return (here < there if descending else here > there,)
