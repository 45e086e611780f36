"""Who a device is, whatever its address today; and what a device's strings may look like in the store."""

import re
from collections.abc import Collection, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Final

from inventory.facts import DeviceFacts

TEXT_MAX: Final = 255
DESCR_MAX: Final = 4096
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL takes no NUL, UTF-8 no lone surrogate
_STRONGEST_FIRST: Final = (("chassis_id", "chassis"), ("serial", "serial"), ("engine_id", "engine"))
_NOT_A_SERIAL: Final = frozenset(
    {"", "none", "n/a", "na", "unknown", "default", "unspecified", "notspecified", "tobefilledbyoem", "0123456789"}
)


def clean(text: str, limit: int = TEXT_MAX) -> str:
    """A device's text as the store keeps it: bounded and storable, otherwise as it came. Who shows it escapes it."""
    return _UNSTORABLE.sub("\ufffd", text[: limit + TEXT_MAX]).strip()[:limit]


def compact(text: str) -> str:
    """An identifier without its notation: `00:1B:21:aa:bb:cc`, `001b.21aa.bbcc` and `0x001b21aabbcc` are one."""
    folded = re.sub(r"[\s:.\-]", "", text.lower())
    return folded.removeprefix("0x")


def meaningful(text: str) -> str:
    """`text`, or "" when it tells no device from another: all zeros or ones, or a maker's filler."""
    short = compact(text)
    return "" if short in _NOT_A_SERIAL or len(set(short)) == 1 else clean(text)


def strong_ids(facts: DeviceFacts) -> dict[str, str]:
    """Column and value of each identifier that survives re-addressing, the strongest first (IEEE 802.1AB, RFC 6933, RFC 3411)."""
    found = {"chassis_id": meaningful(facts.chassis_id), "serial": meaningful(facts.serial), "engine_id": _engine(facts.engine_id)}
    return {column: value for column, value in found.items() if value}


def name_of(facts: DeviceFacts) -> str:
    """What a device is called: its sysName, or its address while it has none."""
    return clean(facts.sys_name) or facts.address


def identity_of(known: Mapping[str, Any], name: str, address: str) -> str:
    """The unique identity of a device by what is known of it: chassis id, else serial, else engine id, else sysName@address."""
    for column, label in _STRONGEST_FIRST:
        if known.get(column):
            return f"{label}:{compact(known[column])}"[:TEXT_MAX]
    return f"name:{name}@{address}"[:TEXT_MAX]


def same_device(candidates: Sequence[Mapping[str, Any]], facts: DeviceFacts) -> Mapping[str, Any] | None:
    """The row of `candidates` that the facts describe.

    The strongest identifier both sides have decides; where they share none, the same name at the same address.
    A weaker match never outvotes a stronger difference: two routers may share an engine id copied with their
    configuration.
    """
    ids = strong_ids(facts)
    shared = [(row, next((column for column in ids if row[column]), None)) for row in candidates]
    for strongest, _ in _STRONGEST_FIRST:
        for row, column in shared:
            if column == strongest and compact(row[column]) == compact(ids[column]):
                return row
    named = identity_of({}, name_of(facts), facts.address)
    for row in [row for row, column in shared if column is None]:
        if named in {row["identity"], identity_of({}, row["name"], row["management_address"])} or _names_it(facts, row):
            return row
    return None


def _names_it(facts: DeviceFacts, row: Mapping[str, Any]) -> bool:
    """Whether the facts, of another address, say of the row's name and address that they are the device's own too."""
    return bool(facts.sys_name) and clean(facts.sys_name) == row["name"] and row["management_address"] in facts.addresses


def by_engine_only(row: Mapping[str, Any], facts: DeviceFacts) -> bool:
    """Whether nothing but the SNMP engine id says that the facts are about this row, not even its address."""
    ids = strong_ids(facts)
    better = any(row[column] and column in ids for column, _ in _STRONGEST_FIRST if column != "engine_id")
    return not better and "engine_id" in ids and row["management_address"] not in {facts.address, *facts.addresses}


def shares_hardware(facts: DeviceFacts, macs: Collection[str], addresses: Collection[str]) -> bool:
    """Whether a device with these physical and other addresses may be the one the facts tell of: they share one, or one tells none.

    Engines copied with a disk image or a configuration have one id (RFC 3411, section 5, wants it unique).
    """
    told = {compact(port.mac) for port in facts.interfaces if meaningful(port.mac)}
    known = {compact(mac) for mac in macs if meaningful(mac)}
    return not told or not known or bool(told & known) or not {facts.address, *facts.addresses}.isdisjoint(addresses)


def _engine(text: str) -> str:
    """An SNMP engine id in plain hex, at most 32 octets (RFC 3411, SnmpEngineID)."""
    return compact(text)[:64] if meaningful(text) else ""


def usable_address(text: str) -> str | None:
    """The canonical form of an address by which a device can be told apart, None for any other text."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped.is_unspecified or mapped.is_multicast or mapped.is_link_local or str(mapped) in {"127.0.0.1", "::1", "255.255.255.255"}:
        return None
    return str(mapped)
