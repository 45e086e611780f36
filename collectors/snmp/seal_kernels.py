"""Compiled steps of SNMPv3: a PDU into a message by one user of one engine (RFC 3412, RFC 3414), and back.

They do what goes as always. Whatever is unusual - a Report, a clock that moved, another engine, a digest that
is not right - is left to `security.UserSecurity`, which is the one place that decides about it.
`vault` is (seals, work, digest, words): the rows of all engines and scratch.

    SEQUENCE { 3, SEQUENCE { msgID, 65535, flags, 3 }, OCTET STRING { security }, scoped }
    security = SEQUENCE { engine, boots, time, user, digest, salt }
    scoped   = SEQUENCE { engine, context, PDU }, encrypted in an OCTET STRING
"""

from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from collectors.codecs import aes_kernels as aes
from collectors.codecs import digest_kernels as digests
from collectors.codecs.snmp_kernels import OCTETS, Int, compiled, content, small
from collectors.snmp.wire_state import SEAL

DIGESTS: Final = digests.KINDS
_types: Any = numba.types
Array = npt.NDArray[Any]
Tables = tuple[Array, ...]
_INT, _U8 = numba.int64, numba.uint8[::1]
_SEALS = _types.Array(numba.from_dtype(SEAL), 1, "C")
VAULT: Final = _types.Tuple((_SEALS, _U8, _U8, numba.uint64[::1]))
_WINDOW_S: Final = 150  # RFC 3414, 3.2, step 7
_TIME_MAX: Final = 0x7FFF_FFFF
_AUTH, _PRIV, _REPORTABLE = 1, 2, 4
_HEAD_OCTETS: Final = 22  # version and msgGlobalData, whose msgID takes four octets
_SALT_OCTETS: Final = 8


@compiled(None, _INT, _INT, OCTETS, OCTETS, VAULT)
def key(no: Int, auth: Int, auth_key: Array, priv_key: Array, vault: Tables) -> None:
    """Give an engine's row its keys: the localised one of HMAC, and the one of AES or none."""
    seal = vault[0][no]
    seal["auth"], seal["rounds"] = auth, 0
    if auth:
        digests.states_of(auth, auth_key, seal["inner"][:], seal["outer"][:], vault[1], vault[3])
    if len(priv_key):
        seal["rounds"] = aes.expand(priv_key, seal["schedule"][:])


@compiled(_INT, _INT, _INT, _SEALS)
def _time_s(no: Int, now_ns: Int, seals: Array) -> Int:
    """What the engine's clock shows now as far as is known."""
    return min(seals[no]["time_s"] + (now_ns - seals[no]["synced_ns"]) // 1_000_000_000, _TIME_MAX)


@compiled(numba.uint64, numba.uint64)
def _turned(word: Int) -> Int:
    """The eight octets in the other order."""
    found = np.uint64(0)
    for i in range(8):
        found = found << np.uint64(8) | (word >> np.uint64(8 * i) & np.uint64(0xFF))
    return found


@compiled(_INT, _INT)
def _sized(n: Int) -> Int:
    """The octets of a value of n octets with its tag and length."""
    return n + (2 if n < 0x80 else 3 if n < 0x100 else 4)


@compiled(_INT, _U8, _INT, _INT, _INT)
def _open(to: Array, pos: Int, tag: Int, n: Int) -> Int:
    """Write tag and length of n octets; where the value goes."""
    to[pos] = tag
    octets = _sized(n) - n - 2
    if octets:
        to[pos + 1] = 0x80 | octets
        for i in range(octets):
            to[pos + 2 + i] = n >> 8 * (octets - 1 - i) & 0xFF
    else:
        to[pos + 1] = n
    return pos + 2 + octets


@compiled(_INT, _INT)
def _width(value: Int) -> Int:
    """The octets of a number of 31 bits as an INTEGER."""
    return 1 if value < 0x80 else 2 if value < 0x8000 else 3 if value < 0x80_0000 else 4


@compiled(_INT, _U8, _INT, _INT, _INT)
def _put(to: Array, pos: Int, value: Int, octets: Int) -> Int:
    """Write an INTEGER; the position after it."""
    pos = _open(to, pos, 0x02, octets)
    for i in range(octets):
        to[pos + i] = value >> 8 * (octets - 1 - i) & 0xFF
    return pos + octets


@compiled(_INT, _U8, _INT, _INT, OCTETS, _INT)
def _copy(to: Array, pos: Int, tag: Int, data: Array, n: Int) -> Int:
    """Write a value from octets; the position after it."""
    pos = _open(to, pos, tag, n)
    for i in range(n):
        to[pos + i] = data[i]
    return pos + n


@compiled(_INT, _U8, _INT, _INT, _INT, _INT, _SEALS)
def _write_security(to: Array, pos: Int, no: Int, time_s: Int, octets: Int, seals: Array) -> Int:
    """Write UsmSecurityParameters of so many octets, their digest blank; the position after them."""
    seal = seals[no]
    pos = _open(to, _open(to, pos, 0x04, _sized(octets)), 0x30, octets)
    pos = _copy(to, pos, 0x04, seal["engine"], seal["engine_octets"])
    pos = _put(to, pos, seal["boots"], _width(seal["boots"]))
    pos = _put(to, pos, time_s, _width(time_s))
    pos = _copy(to, pos, 0x04, seal["user"], seal["user_octets"])
    pos = _open(to, pos, 0x04, seal["digest_octets"])
    for i in range(seal["digest_octets"]):
        to[pos + i] = 0
    pos += seal["digest_octets"]
    if seal["rounds"] == 0:
        return _open(to, pos, 0x04, 0)
    pos = _open(to, pos, 0x04, _SALT_OCTETS)
    for i in range(_SALT_OCTETS):
        to[pos + i] = np.uint8(seal["salt"] >> np.uint64(8 * (7 - i)) & np.uint64(0xFF))
    return pos + _SALT_OCTETS


@compiled(None, _INT, _INT, _INT, _INT, numba.boolean, OCTETS, _INT, _INT, _U8, _INT, _SEALS)
def _cipher(
    no: Int, boots: Int, time_s: Int, salt: Int, encrypting: Any, data: Array, at: Int, n: Int, out: Array, to: Int, seals: Array
) -> None:
    """AES with the IV of RFC 3826, 3.1.2.1."""
    seal = seals[no]
    low = _turned(np.uint64(boots) << np.uint64(32) | np.uint64(time_s))
    aes.cfb(encrypting, seal["schedule"][:], seal["rounds"], low, _turned(np.uint64(salt)), data, at, n, out, to)


@compiled(None, _INT, _U8, _INT, _INT, _INT, VAULT)
def _sign(no: Int, message: Array, at: Int, n: Int, digest_at: Int, vault: Tables) -> None:
    """Put its digest into a message whose digest is blank; up to PADDING octets behind the message are overwritten."""
    seals, _, digest, words = vault
    seal = seals[no]
    digests.hmac(seal["auth"], seal["inner"][:], seal["outer"][:], message, at, n, digest, words)
    for i in range(seal["digest_octets"]):
        message[digest_at + i] = digest[i]


@compiled(_INT, _INT, _INT, _INT, OCTETS, _INT, _INT, _INT, _U8, _INT, _INT, VAULT)
def seal(
    no: Int, msg_id: Int, now_ns: Int, arena: Array, at: Int, octets: Int, id_at: Int, to: Array, start: Int, room: Int, vault: Tables
) -> Int:
    """Write the message of the PDU arena[at:at + octets] to to[start:]; its length, 0 where `room` is too small."""
    seals = vault[0]
    row = seals[no]
    time_s, sealing = _time_s(no, now_ns, seals), row["rounds"] > 0
    salt_octets = _SALT_OCTETS if sealing else 0
    inner = row["context_octets"] + octets
    scoped = _sized(inner)
    security = 12 + row["engine_octets"] + _width(row["boots"]) + _width(time_s) + row["user_octets"] + row["digest_octets"] + salt_octets
    body = _HEAD_OCTETS + _sized(_sized(security)) + (_sized(scoped) if sealing else scoped)
    length = _sized(body)
    if length + digests.PADDING > room:
        return 0
    row["salt"] += np.uint64(1)
    pos = _put(to, _open(to, start, 0x30, body), 3, 1)
    pos = _put(to, _put(to, _open(to, pos, 0x30, _HEAD_OCTETS - 5), msg_id, 4), 0xFFFF, 3)
    to[_open(to, pos, 0x04, 1)] = row["level"] | _REPORTABLE
    pos = _write_security(to, _put(to, pos + 3, 3, 1), no, time_s, security, seals)
    digest_at = pos - salt_octets - 2 - row["digest_octets"]
    if sealing:
        pos = _open(to, pos, 0x04, scoped)
    inside = _open(to, pos, 0x30, inner)
    for i in range(row["context_octets"]):
        to[inside + i] = row["context"][i]
    inside += row["context_octets"]
    for i in range(octets):
        to[inside + i] = arena[at + i]
    for i in range(4):
        to[inside + id_at + i] = msg_id >> 8 * (3 - i) & 0xFF
    if sealing:
        _cipher(no, row["boots"], time_s, row["salt"], True, to, pos, scoped, to, pos, seals)
    if row["auth"]:
        _sign(no, to, start, length, digest_at, vault)
    return length


@compiled(numba.boolean, OCTETS, _INT, _INT, OCTETS, _INT)
def _same(data: Array, start: Int, stop: Int, wanted: Array, n: Int) -> Any:
    if stop - start != n:
        return False
    different = np.uint8(0)
    for i in range(n):
        different |= data[start + i] ^ wanted[i]
    return different == 0


@compiled(_types.UniTuple(_INT, 3), OCTETS, _INT, _INT, _INT, _INT, _SEALS)
def _read_security(data: Array, at: Int, end: Int, no: Int, now_ns: Int, seals: Array) -> tuple[Int, Int, Int]:
    """(position of the digest, of the salt, engine time) where they are this engine's, in its window and of its level; else -1 first."""
    row, bad = seals[no], (-1, 0, 0)
    pos, stop = content(data, at, end)
    if pos < 0 or data[at] != 0x30 or stop != end:
        return bad
    right, boots, time_s, digest, salt = True, -1, -1, -1, -1
    for i in range(6):
        start, after = content(data, pos, stop)
        if start < 0 or data[pos] != (0x02 if i == 1 or i == 2 else 0x04):
            return bad
        if i == 0:
            right = _same(data, start, after, row["engine"], row["engine_octets"])
        elif i == 1:
            boots = small(data, start, after)
        elif i == 2:
            time_s = small(data, start, after)
        elif i == 3:
            right = right and _same(data, start, after, row["user"], row["user_octets"])
        elif i == 4 and after - start == row["digest_octets"]:
            digest = start
        elif i == 5 and after - start == (_SALT_OCTETS if row["rounds"] else 0):
            salt = start
        pos = after
    ours_s = _time_s(no, now_ns, seals)
    in_window = row["confirmed"] and boots == row["boots"] and ours_s - _WINDOW_S <= time_s and time_s <= ours_s
    if pos != stop or not right or digest < 0 or salt < 0 or not (in_window or row["auth"] == 0):
        return bad
    return digest, salt, time_s


@compiled(_types.UniTuple(_INT, 2), OCTETS, _INT, _INT, _INT, _INT)
def _read_head(data: Array, at: Int, end: Int, msg_id: Int, level: Int) -> tuple[Int, Int]:
    """(start, stop) of the security parameters behind a msgGlobalData with this msgID and level under USM, else -1 first."""
    bad = (-1, 0)
    pos, stop = content(data, at, end)
    if pos < 0 or data[at] != 0x30:
        return bad
    for i in range(4):
        start, after = content(data, pos, stop)
        if start < 0 or data[pos] != (0x04 if i == 2 else 0x02):
            return bad
        if i == 2 and (after - start != 1 or data[start] | _REPORTABLE != level | _REPORTABLE):
            return bad
        if (i == 0 and small(data, start, after) != msg_id) or (i == 3 and small(data, start, after) != 3):
            return bad
        pos = after
    start, after = content(data, stop, end)
    if pos != stop or start < 0 or data[stop] != 0x04:
        return bad
    return start, after


@compiled(_types.UniTuple(_INT, 2), OCTETS, _INT, _INT)
def _read_scoped(data: Array, n: Int, msg_id: Int) -> tuple[Int, Int]:
    """(start, stop) of the Response PDU with this request-id in the ScopedPDU at the front of n octets, else -1 first."""
    bad = (-1, 0)
    pos, stop = content(data, 0, n)
    if pos < 0 or data[0] != 0x30:
        return bad
    for _ in range(2):
        start, after = content(data, pos, stop)
        if start < 0 or data[pos] != 0x04:
            return bad
        pos = after
    start, after = content(data, pos, stop)
    if start < 0 or data[pos] != 0xA2 or after != stop:
        return bad
    first, last = content(data, start, stop)
    if first < 0 or data[start] != 0x02 or small(data, first, last) != msg_id:
        return bad
    return pos, stop


@compiled(_types.UniTuple(_INT, 2), _INT, _INT, _INT, OCTETS, _INT, _INT, VAULT)
def opened(no: Int, msg_id: Int, now_ns: Int, data: Array, at: Int, end: Int, vault: Tables) -> tuple[Int, Int]:
    """(start, stop) in `work` of the Response PDU in the v3 message data[at:end] that answers this msgID, its request-id too.

    -1 first where anything is unusual. Nothing is decrypted before the digest was right.
    """
    seals, work, digest, words = vault
    row, bad = seals[no], (-1, 0)
    pos, stop = content(data, at, end)
    if pos < 0 or stop != end or end - at + digests.PADDING > len(work):
        return bad
    _, pos = content(data, pos, stop)  # the version, which was looked at
    start, after = _read_head(data, pos, stop, msg_id, row["level"])
    if start < 0:
        return bad
    digest_at, salt_at, time_s = _read_security(data, start, after, no, now_ns, seals)
    if digest_at < 0:
        return bad
    if row["auth"]:
        for i in range(end - at):
            work[i] = data[at + i]
        for i in range(row["digest_octets"]):
            work[digest_at - at + i] = 0
        digests.hmac(row["auth"], row["inner"][:], row["outer"][:], work, 0, end - at, digest, words)
        if not _same(data, digest_at, digest_at + row["digest_octets"], digest, row["digest_octets"]):
            return bad
    if row["rounds"] == 0:
        for i in range(stop - after):
            work[i] = data[after + i]
        return _read_scoped(work, stop - after, msg_id)
    start, last = content(data, after, stop)
    if start < 0 or data[after] != 0x04 or last != stop:
        return bad
    salt = np.uint64(0)
    for i in range(_SALT_OCTETS):
        salt = salt << np.uint64(8) | np.uint64(data[salt_at + i])
    _cipher(no, row["boots"], time_s, salt, False, data, start, last - start, work, 0, seals)
    return _read_scoped(work, last - start, msg_id)
