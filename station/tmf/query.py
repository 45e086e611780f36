"""The query of a TM Forum list (TMF630, part 1): which resources match, in which order, which of their fields are shown.

    ?status=billed,rated&usageDate.gte=2026-06-01T00:00:00Z&relatedParty.id=c-1&sort=-usageDate&fields=id,status&offset=20&limit=10

A name with dots walks into objects and into every element of an array; several values, by comma or repeated, are an or;
several names an and. Unknown names match nothing, as an absent attribute does.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from fastapi import Request
from fastapi.responses import JSONResponse

from station.web import ProblemError

LIMIT_DEFAULT, LIMIT_MAX = 100, 1000
FILTERS_MAX = 20
OPERATORS = ("eq", "ne", "gt", "gte", "lt", "lte")
ALWAYS = ("id", "href", "@type")  # TMF630: identity is shown whatever fields are asked for

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Filter:
    """`path` compared with any of `values` by one of OPERATORS."""

    path: tuple[str, ...]
    operator: str
    values: tuple[str, ...]

    def matches(self, resource: Resource) -> bool:
        found = list(values_at(resource, self.path))
        if self.operator == "ne":
            return not any(_text(value) in self.values for value in found)
        return any(_holds(value, self.operator, wanted) for value in found for wanted in self.values)


@dataclass(frozen=True, slots=True)
class Query:
    """What a list asks for."""

    filters: tuple[Filter, ...] = ()
    fields: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    offset: int = 0
    limit: int = LIMIT_DEFAULT

    @classmethod
    def of(cls, request: Request) -> Self:
        """The query of a request; ProblemError 400 when a number is none or there are too many filters."""
        asked: dict[str, list[str]] = {}
        for name, value in request.query_params.multi_items():
            asked.setdefault(name, []).extend(part for part in value.split(",") if part)
        fields = tuple(asked.pop("fields", ()))
        sort = tuple(asked.pop("sort", ()))
        offset = _number(asked.pop("offset", ["0"]), "offset", 1 << 31)
        limit = _number(asked.pop("limit", [str(LIMIT_DEFAULT)]), "limit", LIMIT_MAX)
        if len(asked) > FILTERS_MAX:
            raise ProblemError(400, "Too many filters", f"A query has at most {FILTERS_MAX} filters.")
        return cls(tuple(_filter(name, values) for name, values in asked.items()), fields, sort, offset, limit)

    def matching(self, resources: Sequence[Resource]) -> list[Resource]:
        """Those that match, in the order asked for."""
        found = [one for one in resources if all(which.matches(one) for which in self.filters)]
        for name in reversed(self.sort):
            path = tuple(name.lstrip("+-").split("."))
            found.sort(key=lambda one, path=path: _rank(one, path), reverse=name.startswith("-"))  # type: ignore[misc]
        return found

    def shown(self, resource: Resource) -> Resource:
        """The resource with the fields asked for, all when none are."""
        if not self.fields or "none" in self.fields:
            return resource if not self.fields else {name: resource[name] for name in ALWAYS if name in resource}
        tops = {name.split(".")[0] for name in self.fields}
        return {name: value for name, value in resource.items() if name in tops or name in ALWAYS}

    def value(self, name: str, operator: str = "eq") -> str | None:
        """The single value that a name is compared with, if there is one: for a store that can seek."""
        for one in self.filters:
            if (".".join(one.path), one.operator) == (name, operator) and len(one.values) == 1:
                return one.values[0]
        return None


def page(query: Query, resources: Sequence[Resource]) -> JSONResponse:
    """A page of those that match: X-Total-Count counts all of them, X-Result-Count those on the page."""
    found = query.matching(resources)
    shown = [query.shown(one) for one in found[query.offset : query.offset + query.limit]]
    headers = {"X-Total-Count": str(len(found)), "X-Result-Count": str(len(shown))}
    return JSONResponse(shown, headers=headers)


def values_at(value: Any, path: Sequence[str]) -> Iterator[Any]:
    """Every value that the path leads to, through each element of arrays."""
    if isinstance(value, list):
        for one in value:
            yield from values_at(one, path)
    elif not path:
        yield value
    elif isinstance(value, Mapping) and path[0] in value:
        yield from values_at(value[path[0]], path[1:])


def _filter(name: str, values: Sequence[str]) -> Filter:
    path = name.split(".")
    operator = path.pop() if len(path) > 1 and path[-1] in OPERATORS else "eq"
    return Filter(tuple(path), operator, tuple(values))


def _holds(value: Any, operator: str, wanted: str) -> bool:
    if operator == "eq":
        return _text(value) == wanted
    try:
        left, right = (float(value), float(wanted)) if isinstance(value, int | float) else (str(value), wanted)
    except ValueError:
        return False
    return {"gt": left > right, "gte": left >= right, "lt": left < right, "lte": left <= right}[operator]  # type: ignore[operator]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _rank(resource: Resource, path: Sequence[str]) -> tuple[int, float, str]:
    """Absent first, then numbers, then text."""
    value = next(values_at(resource, path), None)
    if value is None:
        return 0, 0.0, ""
    return (1, float(value), "") if isinstance(value, int | float) else (2, 0.0, str(value))


def _number(values: Sequence[str], name: str, most: int) -> int:
    if len(values) != 1 or not values[0].isascii() or not values[0].isdigit():
        raise ProblemError(400, "Not a number", f"{name} is a whole number of at least 0.")
    return min(int(values[0][:12]), most)
