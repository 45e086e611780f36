"""Sampled frames in IPFIX (PSAMP, RFC 5477): records that hold the first octets of a packet instead of what a flow counted.

Routers with inline monitoring send them. A record is one packet, read as sFlow's raw headers are, and stands for as many
as its selector takes. No I/O.
"""

from typing import Final

from collectors.codecs import sflow
from collectors.codecs.flow_options import Told, packets_per_sample
from collectors.codecs.flow_templates import SAMPLER_ID, Template

# dataLinkFrameSection, layer2packetSectionData; ipHeaderPacketSection
_FRAMES: Final = {315: sflow.ETHERNET, 104: sflow.ETHERNET, 313: sflow.IP}
_SIZES: Final = (312, 103, 224)  # dataLinkFrameSize, layer2packetSectionSize; ipTotalLength
_COUNTS: Final = frozenset({1, 85, 231, 23, 352})
_INTERFACES: Final = {"in_if": (10, 252), "out_if": (14, 253)}


def has_frames(template: Template) -> bool:
    """Whether records of this template are frames: they have a section of one and count nothing themselves."""
    own = {one.element for one in template.fields if not one.enterprise}
    return not template.scopes and bool(own & _FRAMES.keys()) and not own & _COUNTS


def rows(template: Template, octets: bytes, told: Told) -> list[sflow.Row]:
    """The frames of a data set; DecodeError when a variable field overruns it."""
    return [_row(template, record, told) for record in template.rows(octets)]


def _row(template: Template, record: list[bytes], told: Told) -> sflow.Row:
    said = {one.element: octets for one, octets in zip(template.fields, record, strict=True) if not one.enterprise}
    numbers = {element: int.from_bytes(octets) for element, octets in said.items() if len(octets) <= 8}
    row: sflow.Row = {"packets": 1, "octets": 0}
    for column, elements in _INTERFACES.items():
        row[column] = next((numbers[element] & 0xFFFF_FFFF for element in elements if element in numbers), 0)
    for element, kind in _FRAMES.items():
        if element in said:
            sflow.read_header(kind, said[element], row)
            row["octets"] = next((numbers[size] for size in _SIZES if numbers.get(size)), len(said[element]))
            break
    sampler = next((numbers[element] for element in SAMPLER_ID if element in numbers), None)
    row["sampling"] = packets_per_sample(numbers) or told.samplers.get(-1 if sampler is None else sampler, told.sampling)
    return row
