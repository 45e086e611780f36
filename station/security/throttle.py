"""How often a sign-in may fail: per account and per source, in tables that do not grow."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from station.clock import NS_PER_S
from station.metrics import counter

FREE_PER_ACCOUNT: Final = 5
FREE_PER_SOURCE: Final = 20  # one address may stand for an office
FIRST_WAIT_S: Final = 1
LONGEST_WAIT_S: Final = 900
FORGET_AFTER_S: Final = 24 * 3600
TABLE_ROWS: Final = 10_000

FAILURES = counter("login_failures", "Sign-ins that failed.", "reason")
EVICTED = counter("login_throttle_evicted", "Entries of a throttle's table that gave way to newer ones.", "table")


class ThrottledError(Exception):
    """Too many failures; nothing was checked. `retry_after_s` is when the next try is looked at."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"Too many failed tries. Try again in {retry_after_s} s.")
        self.retry_after_s = retry_after_s


@dataclass(slots=True)
class _Tries:
    failures: int = 0
    last_ns: int = 0


class _Table:
    """Failures by key; the key that failed longest ago gives way."""

    def __init__(self, name: str, free: int) -> None:
        self._name = name
        self._free = free
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tries)

    def free_at_ns(self, key: str) -> int:
        """When the next try is looked at: the wait doubles with each failure past the free ones."""
        tries = self._tries.get(key)
        if tries is None or tries.failures < self._free:
            return 0
        return tries.last_ns + min(FIRST_WAIT_S << min(tries.failures - self._free, 20), LONGEST_WAIT_S) * NS_PER_S

    def count(self, key: str, now_ns: int) -> None:
        tries = self._tries.pop(key, None)
        if tries is None or now_ns - tries.last_ns > FORGET_AFTER_S * NS_PER_S:
            tries = _Tries()
        tries.failures += 1
        tries.last_ns = now_ns
        self._tries[key] = tries
        while len(self._tries) > TABLE_ROWS:
            self._tries.popitem(last=False)
            EVICTED.labels(self._name).inc()

    def forget(self, key: str) -> None:
        self._tries.pop(key, None)

    def forgive(self, key: str) -> None:
        if key in self._tries:
            self._tries[key].failures -= 1


class Throttle:
    """Slows guessing down per account and per source; in memory, for a restart is no cheaper than the wait."""

    def __init__(self) -> None:
        self._accounts = _Table("account", FREE_PER_ACCOUNT)
        self._sources = _Table("source", FREE_PER_SOURCE)

    def check(self, account: str, source: str, now_ns: int) -> None:
        """Raise ThrottledError while the account or the source has to wait."""
        free_ns = max(self._accounts.free_at_ns(account), self._sources.free_at_ns(source))
        if free_ns > now_ns:
            FAILURES.labels("throttled").inc()
            raise ThrottledError(-((now_ns - free_ns) // NS_PER_S))

    def tried(self, account: str, source: str, now_ns: int) -> None:
        """Count a try as failed before it is checked, so that guesses in parallel count too."""
        self._accounts.count(account, now_ns)
        self._sources.count(source, now_ns)

    def succeeded(self, account: str, source: str) -> None:
        """The account starts afresh; the source only gets this try back, or one known password would pay for any guess."""
        self._accounts.forget(account)
        self._sources.forgive(source)
