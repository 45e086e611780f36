"""Canonical JSON: the same value gives the same bytes, so that a hash can stand for an invoice."""

import hashlib
import json
from typing import Any


def encode(value: Any) -> str:
    """Sorted keys, no spaces, UTF-8 as it is. Floats are a bug: money and quantities are integers or text."""
    assert not _holds_float(value), "a float in a canonical document"
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _holds_float(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_float, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_float, value))
    return isinstance(value, float)
