"""AES in CFB128 mode (FIPS 197; SP 800-38A, 6.3) as compiled steps over octets that lie in tables.

Where the processor has AES instructions they are used. The portable steps look octets up in tables, so their time
may tell something of the key to whoever shares the processor's cache; what they guard is in that process's memory anyway.
"""

from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from collectors.codecs import x86_kernels as x86
from collectors.codecs.snmp_kernels import OCTETS, Int, compiled

Array = npt.NDArray[Any]
KEY_WORDS: Final = 60  # of the schedule of AES-256, the longest
_INT, _U64, _WORDS, _BYTES = numba.int64, numba.uint64, numba.uint32[::1], numba.uint8[::1]


def _doubled(octet: int) -> int:
    """Times x in GF(2^8) (FIPS 197, 4.2.1)."""
    return octet << 1 ^ (0x11B if octet & 0x80 else 0)


def _substitutions() -> list[int]:
    """The S-box (FIPS 197, 5.1.1) from the powers of 3, which is a generator of the field."""
    powers = [1]
    for _ in range(254):
        powers.append(powers[-1] ^ _doubled(powers[-1]))
    log = {power: i for i, power in enumerate(powers)}
    inverses = [0, *(powers[-log[octet] % 255] for octet in range(1, 256))]
    turns = (inverse * 0x0101 for inverse in inverses)
    return [(turned ^ turned >> 4 ^ turned >> 5 ^ turned >> 6 ^ turned >> 7) & 0xFF ^ 0x63 for turned in turns]


_S: Final = _substitutions()
SBOX: Final = np.array(_S, np.uint8)
# A column of MixColumns over a substituted octet, by the row it comes from; the first row is the lowest octet.
_COLUMNS: Final = [_doubled(s) | s << 8 | s << 16 | (_doubled(s) ^ s) << 24 for s in _S]
T0, T1, T2, T3 = (np.array([(c << 8 * i | c >> (32 - 8 * i)) & 0xFFFF_FFFF for c in _COLUMNS], np.uint32) for i in range(4))


@compiled(numba.uint32, numba.uint32)
def _substituted(word: Int) -> Int:
    low = np.uint32(SBOX[word & 0xFF]) | np.uint32(SBOX[word >> 8 & 0xFF]) << 8
    return np.uint32(low | np.uint32(SBOX[word >> 16 & 0xFF]) << 16 | np.uint32(SBOX[word >> 24 & 0xFF]) << 24)


@compiled(_INT, OCTETS, _WORDS)
def expand(key: Array, words: Array) -> Int:
    """Write the key schedule (FIPS 197, 5.2) of 16, 24 or 32 octets, the first octet of each word the lowest; the rounds."""
    n = len(key) // 4
    constant = np.uint32(1)
    for i in range(n):
        words[i] = 0
        for j in range(4):
            words[i] |= np.uint32(key[4 * i + j]) << 8 * j
    for i in range(n, 4 * (n + 7)):
        word = np.uint32(words[i - 1])
        if i % n == 0:
            word = np.uint32(_substituted(np.uint32(word >> 8 | (word & 0xFF) << 24)) ^ constant)
            constant = np.uint32((constant << 1) ^ (0x11B if constant & 0x80 else 0))
        elif n > 6 and i % n == 4:
            word = _substituted(word)
        words[i] = words[i - n] ^ word
    return n + 6


@compiled(_U64, OCTETS, _INT)
def _eight(data: Array, at: Int) -> Int:
    found = np.uint64(0)
    for i in range(8):
        found |= np.uint64(data[at + i]) << np.uint64(8 * i)
    return found


@compiled(_U64, numba.uint32, numba.uint32, numba.uint32, numba.uint32)
def _last(a: Int, b: Int, c: Int, d: Int) -> Int:
    """A word of the last round, which does not mix columns."""
    low = np.uint64(SBOX[a & 0xFF]) | np.uint64(SBOX[b >> 8 & 0xFF]) << np.uint64(8)
    return low | np.uint64(SBOX[c >> 16 & 0xFF]) << np.uint64(16) | np.uint64(SBOX[d >> 24 & 0xFF]) << np.uint64(24)


@compiled(x86.PAIR, _WORDS, _INT, _U64, _U64)
def _block(keys: Array, rounds: Int, low: Int, high: Int) -> tuple[Int, Int]:
    """One block encrypted, without the processor's help; its first octet is the lowest of `low`."""
    half = np.uint64(32)
    a, b = np.uint32(low << half >> half) ^ keys[0], np.uint32(low >> half) ^ keys[1]
    c, d = np.uint32(high << half >> half) ^ keys[2], np.uint32(high >> half) ^ keys[3]
    for i in range(1, rounds):
        w = T0[a & 0xFF] ^ T1[b >> 8 & 0xFF] ^ T2[c >> 16 & 0xFF] ^ T3[d >> 24 & 0xFF] ^ keys[4 * i]
        x = T0[b & 0xFF] ^ T1[c >> 8 & 0xFF] ^ T2[d >> 16 & 0xFF] ^ T3[a >> 24 & 0xFF] ^ keys[4 * i + 1]
        y = T0[c & 0xFF] ^ T1[d >> 8 & 0xFF] ^ T2[a >> 16 & 0xFF] ^ T3[b >> 24 & 0xFF] ^ keys[4 * i + 2]
        z = T0[d & 0xFF] ^ T1[a >> 8 & 0xFF] ^ T2[b >> 16 & 0xFF] ^ T3[c >> 24 & 0xFF] ^ keys[4 * i + 3]
        a, b, c, d = np.uint32(w), np.uint32(x), np.uint32(y), np.uint32(z)
    k = 4 * rounds
    w = _last(a, b, c, d) ^ np.uint64(keys[k])
    x = _last(b, c, d, a) ^ np.uint64(keys[k + 1])
    y = _last(c, d, a, b) ^ np.uint64(keys[k + 2])
    z = _last(d, a, b, c) ^ np.uint64(keys[k + 3])
    return w | x << half, y | z << half


@compiled(x86.PAIR, numba.boolean, _WORDS, _INT, _U64, _U64, OCTETS, _INT, _BYTES, _INT)
def portable_cfb_block(
    encrypting: Any, keys: Array, rounds: Int, low: Int, high: Int, data: Array, at: Int, out: Array, to: Int
) -> tuple[Int, Int]:
    """One whole block of CFB128: data[at:at + 16] to out[to:to + 16]; (low, high) of the block that feeds the next one."""
    low, high = _block(keys, rounds, low, high)
    first, second = _eight(data, at), _eight(data, at + 8)
    low, high = low ^ first, high ^ second
    for i in range(8):
        out[to + i] = np.uint8(low >> np.uint64(8 * i) & np.uint64(0xFF))
        out[to + 8 + i] = np.uint8(high >> np.uint64(8 * i) & np.uint64(0xFF))
    if encrypting:
        return low, high
    return first, second


_cfb_block: Any = x86.cfb_block if x86.AES else portable_cfb_block


@compiled(None, numba.boolean, _WORDS, _INT, _U64, _U64, OCTETS, _INT, _INT, _BYTES, _INT)
def cfb(encrypting: Any, keys: Array, rounds: Int, low: Int, high: Int, data: Array, at: Int, n: Int, out: Array, to: Int) -> None:
    """data[at:at + n] en- or decrypted to out[to:to + n], which may be the same place; (low, high) is the IV, first octet lowest."""
    whole = n // 16
    for i in range(whole):
        low, high = _cfb_block(encrypting, keys, rounds, low, high, data, at + 16 * i, out, to + 16 * i)
    if n % 16:
        low, high = _block(keys, rounds, low, high)
        for i in range(16 * whole, n):
            out[to + i] = data[at + i] ^ np.uint8(low & np.uint64(0xFF))
            low = low >> np.uint64(8) | high << np.uint64(56)
            high >>= np.uint64(8)
