"""Numbers of variables, also those that agents write as text."""

import math
import re
from typing import Final

from collectors.codecs.snmp import COUNTER32, COUNTER64, GAUGE32, TIME_TICKS, UINTEGER32, VarBind

TEXT_MAX: Final = 32  # octets of a text that may be a number
_NUMBER = re.compile(rb"\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+))(?=$|[\0\s%A-Za-z\xb0\xc2])")
_BITS = (1 << 64) - 1
NAN: Final = math.nan


def number_of(varbind: VarBind) -> tuple[float, int]:
    """(the number told, its 64 bits) of a variable; NaN where it tells none. A text counts when it begins with a number."""
    value = varbind.value
    if isinstance(value, int):
        return float(value), value & _BITS
    if isinstance(value, bytes):
        value = text_number(value)
    if not isinstance(value, float) or not math.isfinite(value):
        return NAN, 0
    return value, int(value) if value.is_integer() and 0 <= value < 1 << 53 else 0


def width_of(varbind: VarBind) -> int:
    """How many bits the type of a variable has, 0 where it does not say."""
    if varbind.tag == COUNTER64:
        return 64
    return 32 if varbind.tag in (COUNTER32, GAUGE32, TIME_TICKS, UINTEGER32) else 0


def text_number(octets: bytes) -> float:
    """The number that a text begins with, alone or before a unit; NaN where it has none, or may go on beyond 32 octets."""
    found = _NUMBER.match(octets[:TEXT_MAX])
    if found is None or (found.end() == TEXT_MAX and b"." not in found[1]):
        return NAN
    return float(found[1])
