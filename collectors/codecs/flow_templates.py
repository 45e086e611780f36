"""Templates of NetFlow v9 (RFC 3954) and IPFIX (RFC 7011): what they say, kept, and records read by them as columns.

The records of one template are joined over many datagrams and read at once by a numpy dtype made from the template.
Records with fields of variable length are first copied field by field into that fixed form.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from collectors.codecs.ber import DecodeError
from collectors.codecs.flow import FLOW, MAPPED_IPV4
from station.series import Array

FIELDS_MAX: Final = 128
RECORD_OCTETS_MAX: Final = 4_096
VARIABLE: Final = 0xFFFF  # RFC 7011, 7: the length stands in the record
SAMPLER_ID: Final = frozenset({48, 302})
PACKET_INTERVAL, PACKET_SPACE = 305, 306  # RFC 5477, 8.2.2

# IANA IPFIX information elements to columns; of several that a template has, the first listed is taken.
_COLUMNS: Final = {
    "octets": (1, 85, 231, 23, 352),
    "packets": (2, 86, 298, 24),
    "protocol": (4,),
    "tos": (5,),
    "tcp_flags": (6,),
    "source_port": (7, 180, 182, 227),
    "destination_port": (11, 181, 183, 228, 32, 139),  # of ICMP: type and code
    "in_if": (10, 252),
    "out_if": (14, 253),
    "source_as": (16, 129),
    "destination_as": (17, 128),
    "source_mask": (9, 29),
    "destination_mask": (13, 30),
    "direction": (61,),
    "sampling": (34, PACKET_INTERVAL),
}
REVERSE: Final = 29305  # RFC 5103, 6.1: the enterprise number under which an element speaks of the other direction
# What counts the other direction, and of which element that is the companion: RFC 5103's; initiator and responder
# (firewalls' events); IN and OUT of NetFlow v9 where exporters give both, as nfdump takes them too.
_BACKWARD: Final = {
    "octets": (((1, REVERSE), 1), ((85, REVERSE), 85), ((232, 0), 231), ((23, 0), 1), ((23, 0), 85)),
    "packets": (((2, REVERSE), 2), ((86, REVERSE), 86), ((299, 0), 298), ((24, 0), 2), ((24, 0), 86)),
    "tcp_flags": (((6, REVERSE), 6),),
    "tos": (((5, REVERSE), 5),),
}
_SWAPPED: Final = (
    *((f"source_{name}", f"destination_{name}") for name in ("high", "low", "as", "port", "mask")),
    ("in_if", "out_if"),
)
_ADDRESSES: Final = {
    **{(8, 4): "source", (12, 4): "destination", (27, 16): "source", (28, 16): "destination"},
    **{(44, 4): "source", (45, 4): "destination", (170, 16): "source", (169, 16): "destination"},  # of aggregated flows: their prefixes
}


class Field(NamedTuple):
    """A field of a template. `enterprise` 0: an element of IANA's registry."""

    element: int
    length: int
    enterprise: int = 0


@dataclass(slots=True, eq=False)
class Template:
    """How records look. `scopes`: how many of the fields say what an options record is about; 0 for flows."""

    exporter: int
    domain: int
    fields: tuple[Field, ...]
    scopes: int = 0
    seen_ns: int = 0
    dtype: np.dtype[np.void] = field(init=False)
    columns: dict[str, int] = field(init=False, default_factory=dict)
    reverse: dict[str, int] = field(init=False, default_factory=dict)
    frames: bool = False  # its records are sampled frames (`flow_frames`)
    variable: bool = field(init=False)
    least: int = field(init=False)
    sampler_at: int = field(init=False)
    at_of: dict[int, int] = field(init=False)  # where an element of IANA's registry stands first

    def __post_init__(self) -> None:
        self.variable = any(one.length == VARIABLE for one in self.fields)
        self.least = sum(1 if one.length == VARIABLE else one.length for one in self.fields)
        if not 0 < self.least <= RECORD_OCTETS_MAX:
            raise DecodeError("template length")
        at, names, formats, offsets = 0, [], [], []
        for n, one in enumerate(self.fields):
            length = 0 if one.length == VARIABLE else one.length
            if length:
                names.append(f"f{n}")
                formats.append(_format(one.element, length))
                offsets.append(at)
            at += length
        self.dtype = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": at})
        if not at:  # nothing but fields of variable length: `fixed` gives each record one octet
            self.dtype = np.dtype({"names": [], "formats": [], "offsets": [], "itemsize": 1})
        known = [(one.element, n) for n, one in enumerate(self.fields) if not one.enterprise and 0 < one.length < VARIABLE]
        self.at_of = at_of = dict(reversed(known))
        self.sampler_at = next((at_of[element] for element in sorted(SAMPLER_ID) if element in at_of), -1)
        for column, elements in _COLUMNS.items():
            found = next((at_of[element] for element in elements if element in at_of), -1)
            if found >= 0:
                self.columns[column] = found
        places = {(one.element, one.enterprise): n for n, one in enumerate(self.fields) if 0 < one.length < VARIABLE}
        for column, pairs in _BACKWARD.items():
            of = self.fields[self.columns[column]].element if column in self.columns else 0
            found = next((places[there] for there, here in pairs if there in places and here == of), -1)
            if found >= 0:
                self.reverse[column] = found

    def flows(self, records: bytes, n: int) -> Array:
        """`n` records in their fixed form as flows, without time and with sampling 0 where they do not say."""
        raw = np.frombuffer(records, self.dtype, n)
        out = np.zeros(n, FLOW)
        out["exporter"], out["domain"] = self.exporter, self.domain
        for column, at in self.columns.items():
            out[column] = _unsigned(raw[f"f{at}"])
        if PACKET_SPACE in self.at_of and self.columns.get("sampling") == self.at_of.get(PACKET_INTERVAL):
            out["sampling"] += _spaced(out["sampling"], _unsigned(raw[f"f{self.at_of[PACKET_SPACE]}"]))
        for at, one in enumerate(self.fields):
            end = _ADDRESSES.get((one.element, one.length))
            if end and not one.enterprise:
                _address(out, end, raw[f"f{at}"])
        return out

    def backward(self, records: bytes, flows: Array) -> Array:
        """The other direction of these `flows` of `records`, ends swapped: a row each that anything went that way."""
        raw = np.frombuffer(records, self.dtype, len(flows))
        counted = {column: _unsigned(raw[f"f{at}"]) for column, at in self.reverse.items()}
        went = np.zeros(len(flows), bool)
        for column in ("octets", "packets"):
            went |= counted[column] > 0 if column in counted else False
        out = flows[went]
        for one, other in _SWAPPED:
            out[one], out[other] = flows[other][went], flows[one][went]
        for column in _BACKWARD:
            out[column] = counted[column][went] if column in counted else 0
        out["backward"] = 1
        return out

    def samplers(self, records: bytes, n: int) -> Array | None:
        """The sampler that each record names, None where the template has none."""
        at = self.sampler_at
        return _unsigned(np.frombuffer(records, self.dtype, n)[f"f{at}"]) if at >= 0 else None

    def rows(self, octets: bytes) -> list[list[bytes]]:
        """A data set of options, field by field; DecodeError when a variable field overruns it."""
        found: list[list[bytes]] = []
        at = 0
        while len(octets) - at >= self.least:
            row: list[bytes] = []
            at = self._walk(octets, at, row, row)
            found.append(row)
        return found

    def fixed(self, octets: bytes) -> tuple[bytes, int]:
        """(records in their fixed form, how many) of a data set; DecodeError when a variable field overruns it."""
        if not self.variable:
            n = len(octets) // self.dtype.itemsize
            return octets[: n * self.dtype.itemsize], n
        parts: list[bytes] = []
        at = n = 0
        while len(octets) - at >= self.least:
            at = self._walk(octets, at, parts, None)
            n += 1
        return (b"".join(parts) or bytes(n)), n

    def _walk(self, octets: bytes, at: int, parts: list[bytes], texts: list[bytes] | None) -> int:
        """Where the next record begins; the fixed fields of this one are appended to `parts`, the others to `texts` if that is wanted."""
        for one in self.fields:
            if one.length != VARIABLE:
                parts.append(octets[at : at + one.length])
                at += one.length
                continue
            if at >= len(octets):
                raise DecodeError("variable length")
            length, at = octets[at], at + 1
            if length == 255:  # RFC 7011, 7: a longer one in two octets
                length, at = int.from_bytes(octets[at : at + 2]), at + 2
            if texts is not None:
                texts.append(octets[at : at + length])
            at += length
        if at > len(octets):
            raise DecodeError("variable length")
        return at


def _format(element: int, length: int) -> tuple[str, tuple[int, ...]] | str:
    if element in (27, 28) and length == 16:
        return (">u8", (2,))
    return f">u{length}" if length in (1, 2, 4, 8) else ("u1", (length,))


def _unsigned(raw: Array) -> Array:
    """Whole numbers of 1 to 8 octets (RFC 7011, 6.2, reduced size); what is longer is 0."""
    if raw.ndim == 1:
        return raw
    if raw.shape[1] > 8:
        return np.zeros(len(raw), np.uint64)
    value = np.zeros(len(raw), np.uint64)
    for n in range(raw.shape[1]):
        value = (value << np.uint64(8)) | raw[:, n].astype(np.uint64)
    return value


def _spaced(interval: Array, space: Array) -> Array:
    """What is to be added to an interval so that it says packets per sample: (interval + space) / interval, as whole packets."""
    taken = np.maximum(interval, 1).astype(np.uint64)
    return ((taken + space) // taken - taken).astype(np.uint32)


def _address(out: Array, end: str, raw: Array) -> None:
    if raw.ndim == 1:  # a template with both families fills the one that a record does not have with zeros
        known = raw != 0
        out[f"{end}_low"] = np.where(known | (out[f"{end}_high"] == 0), raw.astype(np.uint64) | MAPPED_IPV4, out[f"{end}_low"])
        return
    known = (raw[:, 0] != 0) | (raw[:, 1] != 0)
    out[f"{end}_high"] = np.where(known, raw[:, 0], out[f"{end}_high"])
    out[f"{end}_low"] = np.where(known, raw[:, 1], out[f"{end}_low"])


def fields_of(octets: bytes, at: int, count: int, *, enterprises: bool) -> tuple[tuple[Field, ...], int]:
    """(`count` field specifiers, where they end); DecodeError when they are too many or not whole."""
    if count > FIELDS_MAX:
        raise DecodeError("too many fields")
    found = []
    for _ in range(count):
        if at + 4 > len(octets):
            raise DecodeError("template")
        element, length, enterprise, at = int.from_bytes(octets[at : at + 2]), int.from_bytes(octets[at + 2 : at + 4]), 0, at + 4
        if enterprises and element & 0x8000:
            if at + 4 > len(octets):
                raise DecodeError("template")
            element, enterprise, at = element & 0x7FFF, int.from_bytes(octets[at : at + 4]), at + 4
        if not enterprises and length > RECORD_OCTETS_MAX:
            raise DecodeError("template length")
        found.append(Field(element, length, enterprise))
    return tuple(found), at


def joined(parts: Iterable[Array]) -> Array:
    found = list(parts)
    return np.concatenate(found) if found else np.zeros(0, FLOW)
