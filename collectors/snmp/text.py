"""Octets of agents as text: names, physical addresses, LLDP identifiers. What comes from a device stays hostile until escaped."""

import math
import socket

from collectors.codecs.ber import dotted
from collectors.codecs.snmp import Value, VarBind
from collectors.codecs.snmp_columns import text_number

TEXT_MAX = 255
DESCR_MAX = 4096
_MAC_OCTETS = 6


def text_of(varbind: VarBind | None, most: int = TEXT_MAX) -> str:
    """A DisplayString as text, at most `most` characters; "" where there is none. UTF-8, else Latin-1."""
    value = varbind.value if varbind is not None else None
    if isinstance(value, bytes):
        return decode_text(value)[:most]
    return value_text(value)[:most]


def decode_text(octets: bytes) -> str:
    """Octets as text without the NULs and blanks some agents pad with."""
    octets = octets.strip(b"\0 \t\r\n")
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def value_text(value: Value) -> str:
    """Any value as text: octets as text when printable, else in hex; identifiers dotted."""
    match value:
        case None:
            return ""
        case bytes():
            text = decode_text(value)
            return text if text.isprintable() or "\n" in text else value.hex(":")
        case tuple():
            return dotted(value)
        case _:
            return str(value)


def integer_of(varbind: VarBind | None) -> int:
    """The number of a variable, 0 where there is none."""
    return varbind.value if varbind is not None and isinstance(varbind.value, int) else 0


def number_of(varbind: VarBind | None) -> float | None:
    """The number a variable tells, also one written as text; None where there is none."""
    value = varbind.value if varbind is not None else None
    if isinstance(value, bytes):
        value = text_number(value.ljust(8, b"\0"))
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def mac_text(octets: Value) -> str:
    """A physical address as aa:bb:cc:dd:ee:ff, "" when it is none or all zeros."""
    if not isinstance(octets, bytes) or not octets or not any(octets):
        return ""
    return octets.hex(":")


def chassis_text(subtype: int, octets: Value) -> str:
    """LldpChassisId as text (IEEE 802.1AB, 8.5.2.3): 4 is a MAC address, 5 a network address."""
    return _identifier(octets, mac=subtype == 4, network=subtype == 5)


def port_text(subtype: int, octets: Value) -> str:
    """LldpPortId as text (IEEE 802.1AB, 8.5.3.3): 3 is a MAC address, 4 a network address."""
    return _identifier(octets, mac=subtype == 3, network=subtype == 4)


def _identifier(octets: Value, *, mac: bool, network: bool) -> str:
    if not isinstance(octets, bytes):
        return value_text(octets)
    if mac and len(octets) == _MAC_OCTETS:
        return octets.hex(":")
    if network and len(octets) > 1:  # the first octet is the IANA address family
        return address_text(octets[1:]) or octets.hex(":")
    return value_text(octets)[:TEXT_MAX]


def address_text(octets: bytes) -> str:
    """An IPv4 or IPv6 address from its octets, with a zone's four octets ignored; "" for other lengths."""
    if len(octets) in (4, 8):
        return socket.inet_ntop(socket.AF_INET, octets[:4])
    if len(octets) in (16, 20):
        return socket.inet_ntop(socket.AF_INET6, octets[:16])
    return ""
