"""Notifications as columns: every text once, rows as numbers of texts; zlib over JSON, since they are few and mostly text."""

import json
import zlib
from collections.abc import Sequence
from typing import Any, Final

from station.batch import Fields, Notification
from station.bus.columns import BlockError

OCTETS_MAX: Final = 64 << 20  # of a block, unpacked
_NUMBERS: Final = ("time_ns", "device")
_TEXTS: Final = ("source", "protocol", "name", "text")


def encode(notifications: Sequence[Notification]) -> bytes:
    """The block of these messages, in their order."""
    texts: dict[str, int] = {}

    def number(text: str) -> int:
        return texts.setdefault(text, len(texts))

    columns: dict[str, Any] = {name: [getattr(one, name) for one in notifications] for name in _NUMBERS}
    columns |= {name: [number(getattr(one, name)) for one in notifications] for name in _TEXTS}
    columns["fields"] = [[number(text) for pair in one.fields.items() for text in pair] for one in notifications]
    columns["authenticated"] = [int(one.authenticated) for one in notifications]
    return packed(columns | {"texts": list(texts)})


def decode(block: bytes) -> list[Notification]:
    """The messages of a block; BlockError for anything else."""
    return messages(unpacked(block))


def messages(columns: Any) -> list[Notification]:
    """The messages of a document; BlockError for anything else."""
    try:
        texts = columns["texts"]
        rows = zip(*(columns[name] for name in (*_NUMBERS, *_TEXTS, "fields", "authenticated")), strict=True)
        return [_notification(texts, *row) for row in rows]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise BlockError(f"no block of messages: {error!r}") from error


def _notification(
    texts: Sequence[str], time_ns: int, device: int, source: int, protocol: int, name: int, text: int, fields: list[int], proven: int
) -> Notification:
    words = [texts[n] for n in fields]
    pairs = Fields(zip(words[::2], words[1::2], strict=True))
    return Notification(int(time_ns), texts[source], int(device), texts[protocol], texts[name], texts[text], pairs, bool(proven))


def packed(document: Any) -> bytes:
    """Any JSON document, made short."""
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 1)


def unpacked(block: bytes) -> Any:
    """The document of `packed`; BlockError for anything else, or for one that is too large."""
    try:
        opened = zlib.decompressobj()
        text = opened.decompress(block, OCTETS_MAX)
        if opened.unconsumed_tail or not opened.eof:
            raise BlockError("the document is cut off or too large")
        return json.loads(text)
    except (zlib.error, ValueError, RecursionError) as error:
        raise BlockError(f"no document: {error}") from error
