"""How long a TCP connection takes to be made: the handshake alone, nothing is sent and the connection is closed at once."""

import asyncio

from station.clock import NS_PER_S, Clock


async def connects(clock: Clock, address: str, port: int, *, count: int, spacing_s: float, timeout_s: float) -> list[float | None]:
    """`count` connections one after the other; seconds until each stood, None where it was refused or took longer than `timeout_s`."""
    found: list[float | None] = []
    for n in range(count):
        if n:
            await asyncio.sleep(spacing_s)
        found.append(await _once(clock, address, port, timeout_s))
    return found


async def _once(clock: Clock, address: str, port: int, timeout_s: float) -> float | None:
    began_ns = clock.monotonic_ns()
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return None
    took_s = (clock.monotonic_ns() - began_ns) / NS_PER_S
    writer.transport.abort()  # a reset leaves nothing waiting at either end
    return took_s
