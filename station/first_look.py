"""How the first checks of an incident ask the network: by the collectors' own ping, trace and poll."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from collectors.pings import Pings
from collectors.proof import Proof
from collectors.trace import Tracer
from fault.checks.words import Way
from station.clock import Clock

LookAt = Callable[[int, Sequence[int], Collection[str]], Awaitable[Proof | None]]
PINGS_PER_S = 10.0
OURS = "the addresses of a simulated network are all this machine's own"


class FirstLook:
    """`fault.checks.runner.Looker`. In a simulated network only polls say something."""

    def __init__(self, clock: Clock, look_at: LookAt, *, simulated: bool = False) -> None:
        self._clock, self._look_at, self._simulated = clock, look_at, simulated

    async def ping(self, address: str, count: int, timeout_s: float) -> Sequence[float | None]:
        self._refuse_simulated()
        pings = Pings(self._clock, ipv6=":" in address)
        try:
            found = await pings.round([address], count=count, rate_per_s=PINGS_PER_S, timeout_s=timeout_s)
        finally:
            pings.close()
        return found[address]

    async def trace(self, address: str) -> Way:
        self._refuse_simulated()
        tracer = Tracer(self._clock, address)
        try:
            way = await tracer.trace()
        finally:
            tracer.close()
        return Way(way.hops, way.reached)

    async def ports(self, device_no: int, if_indexes: Sequence[int]) -> Mapping[int, tuple[int, int]] | None:
        proof = await self._look_at(device_no, if_indexes, ())
        return None if proof is None else proof.ports

    def _refuse_simulated(self) -> None:
        if self._simulated:
            raise OSError(OURS)
