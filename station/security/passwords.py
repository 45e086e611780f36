"""Passwords: the rule for new ones (NIST SP 800-63B-4, 3.1.1) and argon2id in a thread, in equal time for known and unknown users."""

import asyncio
import base64
from collections.abc import Callable
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

T = TypeVar("T")

PASSWORD_MIN: Final = 15  # characters, where the password is the only factor
PASSWORD_MAX: Final = 1024
DISTINCT_MIN: Final = 5
HASHES_AT_ONCE: Final = 2  # 64 MiB and a core each
HASHES_WAITING: Final = 64

_WELL_KNOWN: Final = (
    "passwordpassword",
    "123456789012345",
    "1234567890123456",
    "qwertyuiopasdfgh",
    "qwertyuiop12345",
    "correcthorsebatterystaple",
    "trunklinetrunkline",
    "administratoradministrator",
)


class PasswordError(Exception):
    """A new password that breaks the rule; the text says which part, for the person who chose it."""


class BusyError(Exception):
    """More password checks wait than may wait; try again in a moment."""


def check_rule(name: str, password: str) -> None:
    """Raise PasswordError unless the password may be used. Length and a block list count; composition does not."""
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise PasswordError(f"A password has at least {PASSWORD_MIN} characters (at most {PASSWORD_MAX}); several words are fine.")
    folded = password.casefold()
    if len(set(folded)) < DISTINCT_MIN or folded in _WELL_KNOWN or folded.replace(name.casefold(), "") in {"", "123", "1234"}:
        raise PasswordError("This password is among the first ones an attacker tries.")


class Passwords:
    """Hashes and checks off the event loop, at most `HASHES_AT_ONCE` at a time."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._nobody = _nobody(self._hasher)
        self._turns = asyncio.Semaphore(HASHES_AT_ONCE)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        return await self._in_thread(lambda: self._hasher.hash(password))

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether the password belongs to the stored hash; without one (an unknown user, or "") False after the same work."""
        right = await self._in_thread(lambda: self._verify(stored or self._nobody, password[:PASSWORD_MAX]))
        return right and bool(stored)

    def outdated(self, stored: str) -> bool:
        """Whether the hash was made with weaker parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._waiting >= HASHES_WAITING:
            raise BusyError
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


def _nobody(hasher: PasswordHasher) -> str:
    """A well-formed hash that no password has, with the hasher's own costs (PHC string format)."""
    salt, digest = (base64.b64encode(bytes(n)).decode().rstrip("=") for n in (hasher.salt_len, hasher.hash_len))
    return f"$argon2id$v=19$m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}${salt}${digest}"
