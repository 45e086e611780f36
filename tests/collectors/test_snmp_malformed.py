"""Malformed traps are counted by reason and cost nothing else."""

import warnings

from collectors.inputs.traps import Receiver
from collectors.mibs import shipped_mibs
from collectors.settings import TrapSettings
from inventory.topology import Topology
from station.batch import Notification
from station.channel import Channel
from station.clock import SystemClock
from station.metrics import REGISTRY

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # scapy warns of the environment while it is imported
    from simulator.malformed import messages

    MESSAGES = list(messages(seed=7, count=400))


def refused() -> float:
    return sum(sample.value for metric in REGISTRY.collect() for sample in metric.samples if sample.name == "trunkline_trap_refused_total")


def test_every_malformed_trap_is_refused_or_read_and_nothing_is_raised() -> None:
    out: Channel[tuple[Notification, ...]] = Channel("malformed_test", 10)
    receiver = Receiver(TrapSettings(burst=10_000), topology=Topology, mibs=shipped_mibs(), out=out, clock=SystemClock())
    before = refused()
    heard = [receiver.heard(message, "127.0.0.1")[0] for message in MESSAGES]
    assert refused() - before == sum(one is None for one in heard) > 200
