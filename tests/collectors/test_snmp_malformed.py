"""Malformed traps are counted by reason, logged once a sender, and cost nothing else."""

import asyncio
import socket
import warnings

from structlog.testing import capture_logs

from collectors.codecs import snmp
from collectors.codecs.snmp import Message, TrapV1, VarBind, Version
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


def count(name: str) -> float:
    return sum(sample.value for metric in REGISTRY.collect() for sample in metric.samples if sample.name == f"trunkline_trap_{name}_total")


ADMIN_DOWN = VarBind((1, 3, 6, 1, 2, 1, 2, 2, 1, 7, 3), 2, 2)
LINK_DOWN = snmp.encode(Message(Version.V1, b"public", TrapV1((1, 3, 6, 1, 4, 1, 9), "192.0.2.1", 2, 0, 4711, (ADMIN_DOWN,))))


async def test_malformed_traps_over_the_socket_are_logged_once_a_sender_and_hide_no_good_one() -> None:
    """Three senders send everything malformed, a fourth a proper trap after each of the first fifty."""
    out: Channel[tuple[Notification, ...]] = Channel("malformed_socket_test", 1000)
    receiver = Receiver(TrapSettings(port=0, burst=10_000), topology=Topology, mibs=shipped_mibs(), out=out, clock=SystemClock())
    received, refused_before = count("received"), refused()
    addresses = ("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5")
    senders = []
    for address in addresses:
        senders.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        senders[-1].bind((address, 0))
    with capture_logs() as logged:
        running = asyncio.create_task(receiver.run())
        async with asyncio.timeout(60):
            while not receiver.port:
                await asyncio.sleep(0.01)
            for n, message in enumerate(MESSAGES):
                for sender in senders[:3]:
                    sender.sendto(message, ("127.0.0.1", receiver.port))
                if n < 50:
                    senders[3].sendto(LINK_DOWN, ("127.0.0.1", receiver.port))
                await asyncio.sleep(0)
            heard: list[Notification] = []
            while sum(one.source == addresses[3] for one in heard) < 50 or len(heard) + refused() - refused_before < 3 * len(MESSAGES) + 50:
                heard += await asyncio.wait_for(out.get(), 60) if len(out) else ()
                await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    for sender in senders:
        sender.close()
    assert [one.name for one in heard if one.source == addresses[3]] == ["linkDown"] * 50
    assert sorted(entry["source"] for entry in logged if entry["event"] == "trap_refused") == list(addresses[:3])
    assert refused() - refused_before > 3 * 200 and count("received") > received
