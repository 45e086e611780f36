"""Where mediation reads raw samples from: the shape `perf` serves, as Protocols, so that arrays do in a test."""

from typing import Protocol

import numpy as np
import numpy.typing as npt


class InterfaceSamples(Protocol):
    """Octet counters of one interface as columns of length n, in any order.

    `in_octets`, `out_octets` are the device's own integers (ifHCInOctets, ifHCOutOctets; RFC 2863); `quality` is
    `station.batch.Quality` as judged on arrival; `uptime_cs` is sysUpTime at the poll, -1 if unknown; `received_ns`
    is when the station learned of the sample.
    """

    @property
    def time_ns(self) -> npt.NDArray[np.int64]: ...
    @property
    def in_octets(self) -> npt.NDArray[np.uint64]: ...
    @property
    def out_octets(self) -> npt.NDArray[np.uint64]: ...
    @property
    def in_delta(self) -> npt.NDArray[np.uint64]: ...
    @property
    def out_delta(self) -> npt.NDArray[np.uint64]: ...
    @property
    def quality(self) -> npt.NDArray[np.uint8]: ...
    @property
    def uptime_cs(self) -> npt.NDArray[np.int64]: ...
    @property
    def received_ns(self) -> npt.NDArray[np.int64]: ...


class SampleSource(Protocol):
    """Gives the samples with start_ns <= time < end_ns of one interface."""

    async def interface_samples(self, entity_key: int, start_ns: int, end_ns: int) -> InterfaceSamples: ...
