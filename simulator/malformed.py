"""Malformed SNMP, built by scapy: what a broken or hostile sender puts on the wire. For tests and drills on loopback."""

import random
from collections.abc import Iterator


def messages(seed: int, count: int) -> Iterator[bytes]:
    """`count` datagrams that begin as proper traps and are then cut, bent or lengthened; the same for the same seed."""
    from scapy.asn1.asn1 import ASN1_OID
    from scapy.layers.snmp import SNMP, SNMPtrapv2, SNMPvarbind

    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose, no secret
    for n in range(count):
        varbinds = [SNMPvarbind(oid=ASN1_OID(f"1.3.6.1.2.1.2.2.1.{k + 1}.{n}")) for k in range(chance.randrange(4))]
        whole = bytes(SNMP(version=1, community="public", PDU=SNMPtrapv2(id=n, varbindlist=varbinds)))
        yield _bent(whole, chance)


def _bent(whole: bytes, chance: random.Random) -> bytes:
    octets = bytearray(whole)
    match chance.randrange(4):
        case 0:
            del octets[chance.randrange(1, len(octets)) :]
        case 1:
            octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
        case 2:
            octets[1] = 0x84  # a length that claims four octets of length
        case _:
            octets += bytes(chance.randrange(256) for _ in range(chance.randrange(1, 64)))
    return bytes(octets)
