"""HMAC with the hash functions of SNMPv3 (MD5, RFC 1321; SHA-1 and SHA-2, FIPS 180-4) as compiled steps over octets in tables.

A key is turned once into the two states that HMAC (RFC 2104, section 4) begins with; a message then costs its own
blocks and two more. A state is eight words of 64 bits, of which the 32-bit functions use the lower half.
"""

import math
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from collectors.codecs import x86_kernels as x86
from collectors.codecs.snmp_kernels import OCTETS, Int, compiled

Array = npt.NDArray[Any]
MD5, SHA1, SHA224, SHA256, SHA384, SHA512 = 1, 2, 3, 4, 5, 6
KINDS: Final = {"md5": MD5, "sha1": SHA1, "sha224": SHA224, "sha256": SHA256, "sha384": SHA384, "sha512": SHA512}
STATE_WORDS: Final = 8
SCHEDULE_WORDS: Final = 80  # of a block's message schedule, at most
SCRATCH_WORDS: Final = SCHEDULE_WORDS + STATE_WORDS
_SIZES: Final = np.array([0, 16, 20, 28, 32, 48, 64], np.int64)  # of the digests, by kind
PADDING: Final = 256  # octets that must be free behind what is digested
_INT, _U64S, _BYTES = numba.int64, numba.uint64[::1], numba.uint8[::1]
_LOW: Final = 0xFFFF_FFFF


def _roots(n: int, power: int, bits: int) -> list[int]:
    """The first bits of the fractions of the square or cube roots of the first n primes (FIPS 180-4, 4.2 and 5.3)."""
    primes: list[int] = []
    candidate = 2
    while len(primes) < n:
        if all(candidate % prime for prime in primes):
            primes.append(candidate)
        candidate += 1
    return [_root(prime << power * bits, power) % (1 << bits) for prime in primes]


def _root(number: int, power: int) -> int:
    """The largest integer whose power is not above the number."""
    low, high = 0, 1 << (number.bit_length() // power + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**power <= number else (low, middle)
    return low


_SQUARES: Final = _roots(16, 2, 64)
_FIRST: Final = np.zeros((SHA512 + 1, STATE_WORDS), np.uint64)
_FIRST[SHA1, :5] = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
_FIRST[MD5, :4] = _FIRST[SHA1, :4]
_FIRST[SHA224] = [root & _LOW for root in _SQUARES[8:]]
_FIRST[SHA256] = [root >> 32 for root in _SQUARES[:8]]
_FIRST[SHA384] = _SQUARES[8:]
_FIRST[SHA512] = _SQUARES[:8]
_K512: Final = np.array(_roots(80, 3, 64), np.uint64)
_K256: Final = _K512[:64] >> np.uint64(32)
_K_MD5: Final = np.array([int(abs(math.sin(i + 1)) * (1 << 32)) for i in range(64)], np.uint64)
_TURNS_MD5: Final = np.array([7, 12, 17, 22] * 4 + [5, 9, 14, 20] * 4 + [4, 11, 16, 23] * 4 + [6, 10, 15, 21] * 4, np.int64)


@compiled(numba.uint64, numba.uint64, numba.int64)
def _right32(x: Int, n: Int) -> Int:
    """The lower 32 bits turned to the right."""
    return (x >> np.uint64(n) | x << np.uint64(32 - n)) & np.uint64(_LOW)


@compiled(numba.uint64, numba.uint64, numba.int64)
def _right64(x: Int, n: Int) -> Int:
    return x >> np.uint64(n) | x << np.uint64(64 - n)


@compiled(None, OCTETS, _INT, _INT, _INT, numba.boolean, _U64S)
def _words(data: Array, at: Int, n: Int, octets: Int, little: Any, words: Array) -> None:
    """n words of so many octets each."""
    for i in range(n):
        word = np.uint64(0)
        for j in range(octets):
            word |= np.uint64(data[at + octets * i + j]) << np.uint64(8 * (j if little else octets - 1 - j))
        words[i] = word


@compiled(None, _U64S, OCTETS, _INT, _U64S)
def _md5_block(state: Array, data: Array, at: Int, words: Array) -> None:
    low = np.uint64(_LOW)
    _words(data, at, 16, 4, True, words)
    a, b, c, d = state[0], state[1], state[2], state[3]
    for i in range(64):
        if i < 16:
            f, g = (b & c) | (~b & d), i
        elif i < 32:
            f, g = (d & b) | (~d & c), (5 * i + 1) % 16
        elif i < 48:
            f, g = b ^ c ^ d, (3 * i + 5) % 16
        else:
            f, g = c ^ (b | (~d & low)), (7 * i) % 16
        turned = _right32((f + a + _K_MD5[i] + words[g]) & low, 32 - _TURNS_MD5[i])
        a, d, c, b = d, c, b, (b + turned) & low
    state[0], state[1] = (state[0] + a) & low, (state[1] + b) & low
    state[2], state[3] = (state[2] + c) & low, (state[3] + d) & low


@compiled(None, _U64S, OCTETS, _INT, _U64S)
def _sha1_block(state: Array, data: Array, at: Int, words: Array) -> None:
    low = np.uint64(_LOW)
    _words(data, at, 16, 4, False, words)
    for i in range(16, 80):
        words[i] = _right32(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 31)
    a, b, c, d, e = state[0], state[1], state[2], state[3], state[4]
    for i in range(80):
        if i < 20:
            f = ((b & c) | (~b & d)) + np.uint64(0x5A827999)
        elif i < 40:
            f = (b ^ c ^ d) + np.uint64(0x6ED9EBA1)
        elif i < 60:
            f = ((b & c) | (b & d) | (c & d)) + np.uint64(0x8F1BBCDC)
        else:
            f = (b ^ c ^ d) + np.uint64(0xCA62C1D6)
        a, b, c, d, e = (_right32(a, 27) + f + e + words[i]) & low, a, _right32(b, 2), c, d
    state[0], state[1], state[2] = (state[0] + a) & low, (state[1] + b) & low, (state[2] + c) & low
    state[3], state[4] = (state[3] + d) & low, (state[4] + e) & low


@compiled(None, _U64S, OCTETS, _INT, _U64S)
def portable_sha256_block(state: Array, data: Array, at: Int, words: Array) -> None:
    """Take the 64 octets data[at:] into the state, without the processor's help."""
    low = np.uint64(_LOW)
    _words(data, at, 16, 4, False, words)
    for i in range(16, 64):
        x, y = words[i - 15], words[i - 2]
        early = _right32(x, 7) ^ _right32(x, 18) ^ x >> np.uint64(3)
        late = _right32(y, 17) ^ _right32(y, 19) ^ y >> np.uint64(10)
        words[i] = (words[i - 16] + early + words[i - 7] + late) & low
    a, b, c, d, e, f, g, h = state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]
    for i in range(64):
        one = h + (_right32(e, 6) ^ _right32(e, 11) ^ _right32(e, 25)) + ((e & f) ^ (~e & g)) + _K256[i] + words[i]
        two = (_right32(a, 2) ^ _right32(a, 13) ^ _right32(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))
        a, b, c, d, e, f, g, h = (one + two) & low, a, b, c, (d + one) & low, e, f, g
    for i, word in enumerate((a, b, c, d, e, f, g, h)):
        state[i] = (state[i] + word) & low


sha256_block: Any = x86.sha256_block if x86.SHA256 else portable_sha256_block


@compiled(None, _U64S, OCTETS, _INT, _U64S)
def _sha512_block(state: Array, data: Array, at: Int, words: Array) -> None:
    _words(data, at, 16, 8, False, words)
    for i in range(16, 80):
        x, y = words[i - 15], words[i - 2]
        early = _right64(x, 1) ^ _right64(x, 8) ^ x >> np.uint64(7)
        late = _right64(y, 19) ^ _right64(y, 61) ^ y >> np.uint64(6)
        words[i] = words[i - 16] + early + words[i - 7] + late
    a, b, c, d, e, f, g, h = state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]
    for i in range(80):
        one = h + (_right64(e, 14) ^ _right64(e, 18) ^ _right64(e, 41)) + ((e & f) ^ (~e & g)) + _K512[i] + words[i]
        two = (_right64(a, 28) ^ _right64(a, 34) ^ _right64(a, 39)) + ((a & b) ^ (a & c) ^ (b & c))
        a, b, c, d, e, f, g, h = one + two, a, b, c, d + one, e, f, g
    for i, word in enumerate((a, b, c, d, e, f, g, h)):
        state[i] += word


@compiled(None, _INT, _U64S, OCTETS, _INT, _INT, _U64S)
def _blocks(kind: Int, state: Array, data: Array, at: Int, n: Int, words: Array) -> None:
    """Take n blocks into the state."""
    for i in range(n):
        if kind in (SHA224, SHA256):
            sha256_block(state, data, at + 64 * i, words)
        elif kind == SHA1:
            _sha1_block(state, data, at + 64 * i, words)
        elif kind == MD5:
            _md5_block(state, data, at + 64 * i, words)
        else:
            _sha512_block(state, data, at + 128 * i, words)


@compiled(None, _INT, _U64S, _BYTES, _INT, _INT, _INT, _U64S)
def _finish(kind: Int, state: Array, data: Array, at: Int, n: Int, before: Int, words: Array) -> None:
    """Take in the last n octets of a message, of which `before` octets are in the state; what follows them is overwritten."""
    block, field = (128, 16) if kind >= SHA384 else (64, 8)
    blocks = (n + field) // block + 1
    for i in range(at + n, at + blocks * block):
        data[i] = 0
    data[at + n] = 0x80
    bits = 8 * (before + n)
    for i in range(8):
        data[at + blocks * block - 8 + i] = np.uint8(bits >> (8 * (i if kind == MD5 else 7 - i)) & 0xFF)
    _blocks(kind, state, data, at, blocks, words)


@compiled(None, _INT, _U64S, _BYTES)
def _tell(kind: Int, state: Array, out: Array) -> None:
    """The digest that a state stands for, as octets."""
    octets = 8 if kind >= SHA384 else 4
    for i in range(_SIZES[kind]):
        place = i % octets
        out[i] = np.uint8(state[i // octets] >> np.uint64(8 * (place if kind == MD5 else octets - 1 - place)) & np.uint64(0xFF))


@compiled(None, _INT, _U64S, _U64S, _BYTES, _INT, _INT, _BYTES, _U64S)
def hmac(kind: Int, inner: Array, outer: Array, data: Array, at: Int, n: Int, out: Array, words: Array) -> None:
    """The HMAC of data[at:at + n] to out[:digest]; overwrites up to PADDING octets behind either. `words` is scratch."""
    block = 128 if kind >= SHA384 else 64
    state, whole = words[SCHEDULE_WORDS:], n // block
    for i in range(STATE_WORDS):
        state[i] = inner[i]
    _blocks(kind, state, data, at, whole, words)
    _finish(kind, state, data, at + whole * block, n % block, block * (1 + whole), words)
    _tell(kind, state, out)
    for i in range(STATE_WORDS):
        state[i] = outer[i]
    _finish(kind, state, out, 0, _SIZES[kind], block, words)
    _tell(kind, state, out)


@compiled(None, _INT, OCTETS, _U64S, _U64S, _BYTES, _U64S)
def states_of(kind: Int, key: Array, inner: Array, outer: Array, block: Array, words: Array) -> None:
    """The states that HMAC begins with under a key no longer than a block (a localised key never is); the last two are scratch."""
    n = 128 if kind >= SHA384 else 64
    for pad, state in ((0x36, inner), (0x5C, outer)):
        for i in range(n):
            block[i] = np.uint8(pad) ^ (key[i] if i < len(key) else np.uint8(0))
        for i in range(STATE_WORDS):
            state[i] = _FIRST[kind, i]
        _blocks(kind, state, block, 0, 1, words)
