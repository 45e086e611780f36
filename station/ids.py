"""Public identifiers: opaque, time-ordered UUIDv7 (RFC 9562, section 5.7); and ids derived from content."""

import hashlib
import os
import time
import uuid


def new_id(now_ns: int | None = None) -> str:
    """A fresh UUIDv7: 48 bits of milliseconds, then random."""
    ms = (time.time_ns() if now_ns is None else now_ns) // 1_000_000
    value = (ms & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


def derived_id(*parts: str | int) -> str:
    """SHA-256 over length-prefixed parts, in hex: the same facts give the same id, so a replay changes nothing."""
    return hashlib.sha256(prefixed(*parts)).hexdigest()


def prefixed(*parts: str | int) -> bytes:
    """The parts as UTF-8, each after its length in four octets: no two lists of parts give the same octets."""
    texts = [str(part).encode() for part in parts]
    return b"".join([len(text).to_bytes(4) + text for text in texts])
