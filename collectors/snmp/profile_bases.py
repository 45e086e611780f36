"""One layout under many names: what a profile writes once, at `*`, for every base that the vendor's models put it under."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

ANY_BASE: Final = "*."
TABLES: Final = ("device", "sensors")
COLUMNS: Final = ("model", "serial")


def on_every_base(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """A profile as its file tells it, with a copy for each of `bases` of every table and column that begins with `*.`."""
    bases = told.get("bases")
    if not isinstance(bases, list) or not bases:
        return told
    spread = {key: list(_spread(told[key], bases)) for key in (*TABLES, *COLUMNS) if isinstance(told.get(key), list)}
    return {**told, **spread}


def _spread(parts: Sequence[object], bases: Sequence[str]) -> Iterator[object]:
    for part in parts:
        placed = [_placed(part, base) for base in bases]
        yield from placed if placed[0] != part else (part,)


def _placed(part: object, base: str) -> object:
    """The part with `base` for every `*`."""
    match part:
        case str() if part.startswith(ANY_BASE):
            return f"{base}.{part.removeprefix(ANY_BASE)}"
        case list():
            return [_placed(one, base) for one in part]
        case dict():
            return {key: _placed(one, base) for key, one in part.items()}
        case _:
            return part
