"""How long a web service takes to answer, whether it is the answer that is expected, and how long its certificate lasts."""

import asyncio
import math
import ssl
from dataclasses import dataclass, field
from typing import Final

import httpx
from cryptography import x509

from station.clock import NS_PER_S, Clock

BODY_MAX: Final = 1 << 20  # octets looked at for the text that is expected
DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Expected:
    """What a good answer is: one of these statuses ((): below 400), and this text within the first megabyte."""

    statuses: tuple[int, ...] = ()
    contains: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """Of one round: seconds until each whole good answer, None else; days until the certificate ends, NaN without one."""

    seconds: list[float | None] = field(default_factory=list)
    certificate_days: float = math.nan


async def fetches(
    clock: Clock, url: str, expected: Expected, *, count: int, spacing_s: float, timeout_s: float, trusted: ssl.SSLContext
) -> Fetched:
    """`count` requests, each over a connection of its own; redirects are not followed, a certificate must be trusted."""
    seconds, days = [], math.nan
    for n in range(count):
        if n:
            await asyncio.sleep(spacing_s)
        took_s, lasts = await _once(clock, url, expected, timeout_s, trusted)
        seconds.append(took_s)
        days = lasts if math.isnan(days) else days
    return Fetched(seconds, days)


async def _once(clock: Clock, url: str, expected: Expected, timeout_s: float, trusted: ssl.SSLContext) -> tuple[float | None, float]:
    began_ns, days = clock.monotonic_ns(), math.nan
    try:
        async with (
            asyncio.timeout(timeout_s),
            httpx.AsyncClient(verify=trusted, timeout=timeout_s, trust_env=False) as client,
            client.stream("GET", url) as answer,
        ):
            days = _days_left(answer, clock.now_ns())
            text = await _beginning(answer) if expected.contains else ""
    except (httpx.HTTPError, OSError, TimeoutError):
        return None, days
    took_s = (clock.monotonic_ns() - began_ns) / NS_PER_S
    status = answer.status_code
    good = (status in expected.statuses if expected.statuses else status < 400) and expected.contains in text
    return (took_s if good else None), days


async def _beginning(answer: httpx.Response) -> str:
    """The first BODY_MAX octets as text."""
    parts, size = [], 0
    async for part in answer.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size >= BODY_MAX:
            break
    return b"".join(parts)[:BODY_MAX].decode(answer.encoding or "utf-8", "replace")


def _days_left(answer: httpx.Response, now_ns: int) -> float:
    """Days until the server's certificate ends; NaN over plain HTTP."""
    stream = answer.extensions.get("network_stream")
    tls = stream.get_extra_info("ssl_object") if stream is not None else None
    der = tls.getpeercert(binary_form=True) if tls is not None else None
    if not der:
        return math.nan
    return (x509.load_der_x509_certificate(der).not_valid_after_utc.timestamp() - now_ns / NS_PER_S) / DAY_S
