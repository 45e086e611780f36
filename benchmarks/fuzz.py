"""A million octet strings into every codec, bent from sound messages: each is read or refused, and nothing grows.

python -m benchmarks.fuzz [--json] [--quick] [--seed N] [--only CODEC]

A figure a codec: how many inputs, how many were read and refused, how much memory the process grew by. One that raises
anything else is printed with its octets and ends the run. `tests/collectors/test_fuzz.py` runs the first of each seed.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import psutil

from benchmarks.fuzz_codecs import CODECS, REFUSED, Codec

INPUTS: Final = 1_000_000
QUICK: Final = 20_000
GROWTH_MAX_MB: Final = 64
EDGES: Final = (
    b"\0",
    b"\x01",
    b"\x7f",
    b"\x80",
    b"\x81",
    b"\x82",
    b"\x84",
    b"\xff",
    b"\xff\xff",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x80" * 8,
)
LONGEST: Final = 65_507


def overwrite(octets: bytearray, at: int, chance: random.Random, seeds: list[bytes]) -> None:
    edge = chance.choice(EDGES)
    octets[at : at + len(edge)] = edge


def flip(octets: bytearray, at: int, chance: random.Random, seeds: list[bytes]) -> None:
    octets[at : at + 1] = bytes((chance.getrandbits(8),))


def drop(octets: bytearray, at: int, chance: random.Random, seeds: list[bytes]) -> None:
    del octets[at : at + chance.randint(1, 16)]


def repeat(octets: bytearray, at: int, chance: random.Random, seeds: list[bytes]) -> None:
    octets[at:at] = octets[at : at + chance.randint(1, 32)] * chance.randint(1, 8)


def insert(octets: bytearray, at: int, chance: random.Random, seeds: list[bytes]) -> None:
    octets[at:at] = chance.randbytes(chance.randint(1, 8))


def cut(octets: bytearray, at: int, chance: random.Random, seeds: list[bytes]) -> None:
    del octets[at:]


def splice(octets: bytearray, at: int, chance: random.Random, seeds: list[bytes]) -> None:
    other = chance.choice(seeds)
    octets[at:] = other[chance.randint(0, len(other)) :]


CHANGES: Final[tuple[Callable[[bytearray, int, random.Random, list[bytes]], None], ...]] = (
    *(overwrite, overwrite, flip, flip, flip),
    *(drop, repeat, insert, cut, splice),
)


def bent(seeds: list[bytes], chance: random.Random) -> Iterator[bytes]:
    """Sound messages with a few changes each, for ever; one in sixteen is nothing but chance."""
    while True:
        if not chance.getrandbits(4):
            yield chance.randbytes(chance.randint(0, 200))
            continue
        octets = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 4)):
            chance.choice(CHANGES)(octets, chance.randint(0, len(octets)), chance, seeds)
        yield bytes(octets[:LONGEST])


def run(name: str, codec: Codec, inputs: int, seed: int) -> dict[str, Any]:
    """Feed a codec; what came of it. AssertionError with the octets where it neither reads nor refuses."""
    seeds, feed = codec.seeds(), codec.start()
    for sound in seeds:
        feed(sound)
    messages, read, refused = bent(seeds, random.Random(f"{name} {seed}")), 0, 0
    process, began = psutil.Process(), time.process_time()
    before = 0
    for n in range(inputs):
        octets = next(messages)
        try:
            feed(octets)
            read += 1
        except REFUSED:
            refused += 1
        except Exception as error:
            raise AssertionError(f"{name}: input {n} of seed {seed}: {octets.hex()}: {error!r}") from error
        if n == min(inputs // 10, 10_000):
            before = process.memory_info().rss
    grown = max(process.memory_info().rss - before, 0) / (1 << 20)
    assert grown < GROWTH_MAX_MB, f"{name}: {grown:.0f} MB more"
    spent = time.process_time() - began
    return {"inputs": inputs, "read": read, "refused": refused, "grown_mb": round(grown, 1), "cpu_s": round(spent, 1), "seed": seed}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=sorted(CODECS))
    options = parser.parse_args()
    inputs = QUICK if options.quick else INPUTS
    for name, codec in CODECS.items():
        if options.only not in (None, name):
            continue
        try:
            found = run(name, codec, inputs, options.seed)
        except AssertionError as error:
            print(error, file=sys.stderr, flush=True)
            return 1
        figure = {"name": f"fuzz_{name}", "value": 0, "unit": "inputs neither read nor refused", "n": inputs, "goal": 0, **found}
        print(json.dumps(figure) if options.json else "  ".join(f"{key} {value}" for key, value in figure.items()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
