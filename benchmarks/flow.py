"""Flow records to columns per CPU-second, NetFlow v5, v9 and IPFIX, beside netflume (PyPI) on the same datagrams in the same run.

Both decode the datagrams one after the other, templates first; ours reads what a turn of the receiver has taken (256
datagrams) at once, as it does on the wire. Both must find the same records and octets.
"""

import argparse
import importlib.util
import json
import random
import struct
import sys
import time
from collections.abc import Callable

from collectors.codecs.flow_decoder import FlowDecoder

RECORDS = 24  # a datagram: what fits 1,400 octets
DATAGRAMS = 4_000
TURN = 256
TARGET_RATIO = 5.0
FIELDS = (
    *((element, 4) for element in (8, 12, 15, 10, 14, 2, 1, 22, 21)),
    *((element, 2) for element in (7, 11)),
    *((element, 1) for element in (6, 4, 5)),
    *((element, 4) for element in (16, 17)),
    *((element, 1) for element in (9, 13)),
)

Totals = tuple[int, int]


def records(chance: random.Random) -> bytes:
    """One datagram's records in the form of FIELDS."""
    one = struct.Struct(">4s4s4sIIIIIIHHBBBIIBB")
    return b"".join(
        one.pack(
            chance.randbytes(4), chance.randbytes(4), bytes(4), chance.randrange(64), chance.randrange(64), 10,
            chance.randrange(1, 1 << 20), 1000, 2000, chance.randrange(1 << 16), 443, 24, 6, 0, 64500, 64501, 24, 24,
        )
        for _ in range(RECORDS)
    )  # fmt: skip


def datagrams(version: int) -> list[bytes]:
    chance = random.Random(3)
    if version == 5:
        return [v5(chance, n * RECORDS) for n in range(DATAGRAMS)]
    specification = struct.pack(">HH", 300, len(FIELDS)) + b"".join(struct.pack(">HH", *one) for one in FIELDS)
    sets = [struct.pack(">HH", 0 if version == 9 else 2, len(specification) + 4) + specification]
    for _ in range(DATAGRAMS):
        body = records(chance)
        sets.append(struct.pack(">HH", 300, len(body) + 4) + body)
    if version == 9:
        return [struct.pack(">HHIIII", 9, 1 if n == 0 else RECORDS, 5000, 1_700_000_000, n, 1) + one for n, one in enumerate(sets)]
    return [struct.pack(">HHIII", 10, 16 + len(one), 1_700_000_000, max(n - 1, 0) * RECORDS, 1) + one for n, one in enumerate(sets)]


def v5(chance: random.Random, sequence: int) -> bytes:
    body = b"".join(
        struct.pack(">4s4s4sHHIIIIHHBBBBHHBBH", chance.randbytes(4), chance.randbytes(4), bytes(4), 1, 2, 10, chance.randrange(1, 1 << 20),
                    1000, 2000, 50_000, 443, 0, 24, 6, 0, 64500, 64501, 24, 24, 0)
        for _ in range(RECORDS)
    )  # fmt: skip
    return struct.pack(">HHIIIIBBH", 5, RECORDS, 5000, 1_700_000_000, 0, sequence, 0, 0, 0) + body


def ours(messages: list[bytes]) -> Totals:
    decoder, n, octets = FlowDecoder(), 0, 0
    for at in range(0, len(messages), TURN):
        for message in messages[at : at + TURN]:
            decoder.feed(message, "192.0.2.1", 1)
        flows = decoder.take()
        n, octets = n + len(flows), octets + int(flows["octets"].sum())
    return n, octets


def netflume(messages: list[bytes]) -> Totals:
    decoder, n, octets = importlib.import_module("netflume").Decoder(), 0, 0
    for message in messages:
        flows = decoder.flows(message, "192.0.2.1")
        n, octets = n + len(flows), octets + sum(flow["octets"] for flow in flows)
    return n, octets


def rate(decode: Callable[[list[bytes]], Totals], messages: list[bytes]) -> tuple[float, Totals]:
    began = time.process_time()
    found = decode(messages)
    return found[0] / (time.process_time() - began), found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.parse_args()
    if importlib.util.find_spec("netflume") is None:
        print("netflume is missing: pip install netflume", file=sys.stderr)
        return 1
    for version in (5, 9, 10):
        messages = datagrams(version)
        ours(messages[:300])
        peer, expected = rate(netflume, messages)
        value, found = rate(ours, messages)
        assert found == expected, f"{found} is not {expected}"
        about = {"peer": "netflume", "peer_value": round(peer), "ratio": round(value / peer, 1), "target_ratio": TARGET_RATIO}
        print(json.dumps({"name": f"flow.v{version}", "value": round(value), "unit": "records/CPU-s", **about}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
