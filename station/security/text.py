"""Text of unknown origin made harmless where it leaves: in spreadsheets, logs and terminals."""

import unicodedata
from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # full-width forms count too
_BIDI: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_ESCAPED: Final = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})  # controls, surrogates, private, unassigned, separators
PRINTABLE_MAX: Final = 4096


def csv_cell(value: object) -> object:
    """A cell that no spreadsheet runs: text that could start a formula gets a leading apostrophe; numbers stay numbers."""
    if not isinstance(value, str):
        return value
    return "'" + value if value.lstrip(" \u00a0").startswith(_FORMULA) else value


def printable(text: str, limit: int = PRINTABLE_MAX) -> str:
    r"""One line that cannot forge a line, move a cursor or turn its direction: such characters come out as \x1b or \u202e."""
    shown = "".join(_shown(c) for c in text[:limit])
    return shown if len(text) <= limit else f"{shown}... ({len(text)} characters)"


def _shown(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character in _BIDI or unicodedata.category(character) in _ESCAPED:
        return character.encode("unicode_escape").decode("ascii")
    return character
