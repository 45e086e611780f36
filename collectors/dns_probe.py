"""How long a name server takes to answer a question, and whether the answer is the one that is expected."""

import asyncio
from collections.abc import Sequence

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from station.clock import NS_PER_S, Clock


async def answers(
    clock: Clock,
    server: str,
    port: int,
    question: tuple[str, str],
    expected: Sequence[str],
    *,
    count: int,
    spacing_s: float,
    timeout_s: float,
) -> list[float | None]:
    """`count` questions (name, type) one after the other, over UDP and again over TCP where the answer is cut short.

    Seconds until an answer without error that holds every one of `expected` (as text; none: any answer), else None.
    """
    found: list[float | None] = []
    for n in range(count):
        if n:
            await asyncio.sleep(spacing_s)
        found.append(await _once(clock, server, port, question, expected, timeout_s))
    return found


async def _once(clock: Clock, server: str, port: int, question: tuple[str, str], expected: Sequence[str], timeout_s: float) -> float | None:
    query = dns.message.make_query(question[0], question[1], want_dnssec=False)
    began_ns = clock.monotonic_ns()
    try:
        answer, _ = await dns.asyncquery.udp_with_fallback(query, server, timeout=timeout_s, port=port)
    except (OSError, dns.exception.DNSException, EOFError):
        return None
    took_s = (clock.monotonic_ns() - began_ns) / NS_PER_S
    if answer.rcode() != dns.rcode.NOERROR:
        return None
    said = {record.to_text().rstrip(".").lower() for records in answer.answer for record in records}
    return took_s if said and {one.rstrip(".").lower() for one in expected} <= said else None
