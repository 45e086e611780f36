"""What exporters say about themselves in options records (RFC 3954, 6.1; RFC 7011, 3.4.2.2): how they sample, names of interfaces.

A record may speak for its whole domain, for one sampler or for one interface. In NetFlow v9 a scope is one of five
kinds with numbers of their own; in IPFIX it is an information element.
"""

from dataclasses import dataclass, field
from typing import Final, TypeVar

from collectors.codecs.flow_templates import PACKET_INTERVAL, PACKET_SPACE, SAMPLER_ID, Template

T = TypeVar("T")
SAMPLERS_MAX: Final = 256  # per domain
INTERFACES_MAX: Final = 8_192  # per domain: rates and names
NAME_OCTETS_MAX: Final = 128
_SCOPE_INTERFACE: Final = {9: (2,), 10: (10, 252, 14, 253)}  # by version
_INTERFACE: Final = (10, 252, 14, 253)  # ingressInterface, egressInterface and the physical ones
_NAMES: Final = (82, 83)  # interfaceName, interfaceDescription
_SAMPLING_SIZE, _SAMPLING_POPULATION = 309, 310
_NUMBER_OCTETS: Final = 8


@dataclass(slots=True)
class Told:
    """What a domain's options have said so far; `sampling` 0: nothing."""

    sampling: int = 0
    samplers: dict[int, int] = field(default_factory=dict)
    interfaces: dict[int, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)

    def learn(self, version: int, template: Template, row: list[bytes]) -> None:
        """Take one options record, field by field as its template says."""
        numbers: dict[int, int] = {}
        interface = 0
        for n, (one, octets) in enumerate(zip(template.fields, row, strict=True)):
            if one.enterprise or len(octets) > _NUMBER_OCTETS:
                continue
            if n >= template.scopes or (version == 10 and one.element in SAMPLER_ID):
                numbers[one.element] = int.from_bytes(octets)
            elif one.element in _SCOPE_INTERFACE[version]:
                interface = int.from_bytes(octets)
        interface = interface or next((numbers[element] for element in _INTERFACE if element in numbers), 0)
        name = _name(template, row)
        if name and interface:
            _put(self.names, interface, name, INTERFACES_MAX)
        interval = packets_per_sample(numbers)
        sampler = next((numbers[element] for element in SAMPLER_ID if element in numbers), None)
        if interval and sampler is not None:
            _put(self.samplers, sampler, interval, SAMPLERS_MAX)
        elif interval and interface:
            _put(self.interfaces, interface, interval, INTERFACES_MAX)
        elif interval:
            self.sampling = interval


def packets_per_sample(numbers: dict[int, int]) -> int:
    """How many packets one that was taken stands for; 0 where the elements do not say.

    34 and 50 say it outright. Of `interval + space` packets, `interval` are taken (RFC 5477, 8.2); without a space,
    exporters use the interval as if it were the rate. Of a population, so many are taken (8.2.5).
    """
    outright = numbers.get(34) or numbers.get(50)
    if outright:
        return _u32(outright)
    interval, space = numbers.get(PACKET_INTERVAL, 0), numbers.get(PACKET_SPACE, 0)
    if interval:
        return _u32((interval + space) // interval if PACKET_SPACE in numbers else interval)
    size, population = numbers.get(_SAMPLING_SIZE, 0), numbers.get(_SAMPLING_POPULATION, 0)
    return _u32(population // size) if size else 0


def _u32(number: int) -> int:
    return min(number, 0xFFFF_FFFF)


def _name(template: Template, row: list[bytes]) -> str:
    """The interface's name, else its description: printable text, without the zeros that fill a fixed field."""
    texts = {one.element: octets for one, octets in zip(template.fields, row, strict=True) if not one.enterprise and one.element in _NAMES}
    for element in _NAMES:
        text = texts.get(element, b"")[:NAME_OCTETS_MAX].partition(b"\0")[0].decode("utf-8", "replace")
        name = "".join(letter for letter in text if letter.isprintable()).strip()
        if name:
            return name
    return ""


def _put(known: dict[int, T], key: int, value: T, most: int) -> None:
    if key in known or len(known) < most:
        known[key] = value
