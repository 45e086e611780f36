"""A poisoned device: every text it gives is an attack on whoever shows it. All of it must come out as text.

Each attack has a class of victims: a page, an attribute, a link, a spreadsheet, a terminal, a log, a template, a
database, a metrics reader, a decoder. Numbers in the scripts tell which text ran, should one ever run.
"""

from dataclasses import replace
from typing import Final

from simulator.stories import Step, Story
from simulator.world import Device, Interface, Service, World

SCRIPT: Final = "<img src=x onerror=alert(1)><script>alert(2)</script>"
ATTRIBUTE: Final = "\"'><b autofocus onfocus=alert(3)>"
LINK: Final = "javascript:alert(4)//"
FORMULA: Final = "=cmd|' /C calc'!A0"
TERMINAL: Final = "\x1b[2J\x1b]0;owned\x07"
DIRECTION: Final = "\u202egnp.exe\u202c"
NUL: Final = "before\0after"
FORGED_LINE: Final = "line\r\n<189>1 - forged - - - forged line"
TEMPLATE: Final = "{{7*7}} ${7*7} {% raw %} {node} {0.__class__}"
SQL: Final = "'; DROP TABLE alarm; --"
LABEL: Final = 'a"} 1\ntrunkline_forged{x="\\'
NOT_UTF_8: Final = "caf\udce9 \udcff\udcfe"  # the octets E9 FF FE: surrogates stand for what is no UTF-8 (PEP 383)
LONG: Final = "\U0001f4a5" * 1024  # 4 KB
LONGEST: Final = "\U0001f4a5" * 15_000  # 60 KB: what a datagram can hold
POISON: Final = (SCRIPT, ATTRIBUTE, LINK, FORMULA, TERMINAL, DIRECTION, NUL, FORGED_LINE, TEMPLATE, SQL, LABEL, NOT_UTF_8, LONG)
STORY: Final = "the poisoned device speaks"


def poisoned(world: World) -> World:
    """The world with its last device poisoned, and a customer of that device whose name is no better.

    So the strings reach sysName, sysDescr, ifName, ifAlias, ENTITY-MIB, LLDP at both ends, trap varbinds, syslog,
    service and customer. The customer's port is metered: its name stands on an invoice.
    """
    device = world.devices[-1]
    interfaces = tuple(_port(interface, n) for n, interface in enumerate(device.interfaces))
    name, serial = f"{FORMULA}{SCRIPT}{device.number}", FORMULA + NUL
    hostile = replace(device, name=name, model=TERMINAL + DIRECTION + LONG, serial=serial, interfaces=interfaces)
    port = next(interface for interface in interfaces if interface.kind == "customer")
    victim = world.services[-1]
    services = (*(service for service in world.services[:-1] if service.interface != port.number), _sold(victim, port))
    customers = tuple(FORMULA + SCRIPT + DIRECTION if n == victim.customer else name for n, name in enumerate(world.customers))
    return replace(world, devices=(*world.devices[:-1], hostile), services=services, customers=customers)


def _port(interface: Interface, n: int) -> Interface:
    """Its own name and number stay in the text, so that no two ports share a name."""
    return replace(interface, name=f"{POISON[n % (len(POISON) - 1)]}{interface.name}", alias=POISON[-1 - n % len(POISON)])


def _sold(service: Service, port: Interface) -> Service:
    return replace(service, name=FORMULA + SCRIPT + SQL, interface=port.number)


def story(device: Device) -> Story:
    """The poisoned device says each of its texts by a notification of its own and by a syslog line."""
    summary = "Every text of the poisoned device, as notifications that no rule knows and as syslog."
    return Story(STORY, summary, (Step(0.0, "speak", text="The poisoned device speaks.", device=device.name, times=len(POISON) + 1),))


def spoken(n: int) -> str:
    """The nth text the device says."""
    return (*POISON, LONGEST)[n]
