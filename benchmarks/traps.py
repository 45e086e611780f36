"""SNMP traps from the wire to stored events, per CPU-second of the receiving process, beside Debian's snmptrapd in the same run;
then 20,000 at full speed, of which none may be lost.

Ours is the receiver and the fault service: decoded, named by MIB, storm protection on, rules, alarm states and history committed
to SQLite with an fsync per transaction. snmptrapd formats each trap as a line of a file. Both hear the same datagrams: v2c
linkDown and linkUp of many ports of 500 senders.

python -m benchmarks.traps [--json] [--quick]
"""

import argparse
import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.alarm_states import PORTS, Silent, network
from collectors.codecs import snmp
from collectors.codecs.ber import parse_oid
from collectors.codecs.snmp import Message, Pdu, PduType, VarBind, Version
from collectors.inputs.traps import Receiver
from collectors.mibs import shipped_mibs
from collectors.settings import TrapSettings
from fault.rules import Rules, load_rules
from fault.service import FaultService
from fault.settings import FaultSettings
from station.clock import SystemClock
from station.hub import Hub
from station.state import State

SENDERS: Final = 500
FLAPPING: Final = 4  # ports of each
CHUNK: Final = 2_000  # sent, then waited for
BURST: Final = 20_000
WAIT_S: Final = 120.0
LINK = {name: parse_oid(f"1.3.6.1.6.3.1.1.5.{n}") for name, n in (("down", 3), ("up", 4))}
IF_INDEX, ADMIN, OPER, DESCR = (parse_oid(f"1.3.6.1.2.1.2.2.1.{n}") for n in (1, 7, 8, 2))


def datagrams(count: int) -> list[tuple[str, bytes]]:
    """(sender, octets): each port of FLAPPING goes down and comes back, and each state is told several times."""
    made = []
    for n in range(count):
        device, port = n % SENDERS, n // SENDERS % FLAPPING + 1
        state = "down" if n // (SENDERS * FLAPPING) % 10 < 9 else "up"
        status = {"down": 2, "up": 1}[state]
        varbinds = (
            VarBind(parse_oid("1.3.6.1.2.1.1.3.0"), snmp.TIME_TICKS, n),
            VarBind(parse_oid("1.3.6.1.6.3.1.1.4.1.0"), 6, LINK[state]),
            VarBind((*IF_INDEX, port), 2, port),
            VarBind((*ADMIN, port), 2, 1),
            VarBind((*OPER, port), 2, status),
            VarBind((*DESCR, port), 4, f"ge-0/0/{port}".encode()),
        )
        octets = snmp.encode(Message(Version.V2C, b"public", Pdu(PduType.TRAP, n + 1, varbinds=varbinds)))
        made.append((f"127.64.{(device + 1) // 250}.{(device + 1) % 250 + 1}", octets))
    return made


async def station(folder: Path) -> None:
    """The receiving process: says its port, and for each line of input how many notifications are durable."""
    picture = network(SENDERS * PORTS)
    picture = type(picture)(
        **{
            **{f: getattr(picture, f) for f in picture.__dataclass_fields__},
            "addresses": {d.management_address: no for no, d in picture.devices.items()},
        }
    )
    state = State(f"sqlite+aiosqlite:///{folder / 'state.db'}")
    await state.create_all()
    service = FaultService(
        state, lambda: picture, Hub(), SystemClock(), FaultSettings(lone_after_s=3600), Silent(), interpreter=Rules(load_rules())
    )
    await service.load()
    settings = TrapSettings(port=0)
    receiver = Receiver(settings, topology=lambda: picture, mibs=shipped_mibs(), out=service.notifications, clock=SystemClock())
    stored, hear = [0], service.hear

    async def counted(notifications: Sequence[Any], **more: Any) -> None:
        await hear(notifications, **more)
        stored[0] += len(notifications)

    service.hear = counted  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(service.run()), tasks.create_task(receiver.run())]
        while not receiver.port:  # noqa: ASYNC110 - that it listens shows by its port
            await asyncio.sleep(0.01)
        print(receiver.port, flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(stored[0], flush=True)
        for task in running:
            task.cancel()


@contextmanager
def ours() -> Iterator[tuple[psutil.Process, int, Callable[[], int]]]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.traps", "--station", folder]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None and process.stdout is not None
            lines, said = process.stdin, process.stdout
            port = int(said.readline())

            def stored() -> int:
                print(file=lines, flush=True)
                return int(said.readline())

            try:
                yield psutil.Process(process.pid), port, stored
            finally:
                process.kill()


@contextmanager
def snmptrapd() -> Iterator[tuple[psutil.Process, int, Callable[[], int]]]:
    program = shutil.which("snmptrapd") or shutil.which("snmptrapd", path="/usr/sbin")
    if program is None:
        raise SystemExit("snmptrapd is missing: apt-get install snmptrapd")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        log, conf = Path(folder) / "log", Path(folder) / "conf"
        conf.write_text("disableAuthorization yes\n")
        command = [program, "-f", "-n", "-On", "-C", "-c", str(conf), "-Lf", str(log), "-p", f"{folder}/pid", f"udp:127.0.0.1:{port}"]
        environ = os.environ | {"SNMP_PERSISTENT_DIR": folder, "MIBS": ""}
        with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:

            def stored() -> int:
                return log.read_bytes().count(b"6.3.1.1.4.1.0") if log.exists() else 0

            try:
                for _ in range(200):
                    if log.exists() and b"NET-SNMP" in log.read_bytes():
                        break
                    time.sleep(0.05)
                yield psutil.Process(process.pid), port, stored
            finally:
                process.kill()


class Senders:
    """A socket for each sender's address."""

    def __init__(self) -> None:
        self._socks: dict[str, socket.socket] = {}

    def send(self, messages: Sequence[tuple[str, bytes]], port: int) -> None:
        for source, octets in messages:
            sock = self._socks.get(source)
            if sock is None:
                sock = self._socks[source] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                sock.bind((source, 0))
            sock.sendto(octets, ("127.0.0.1", port))


def caught_up(stored: Callable[[], int], wanted: int) -> int:
    """What is stored when nothing more comes, or as many as are wanted."""
    last, since = -1, time.monotonic()
    while (found := stored()) < wanted and time.monotonic() - since < (WAIT_S if found != last else 3.0):
        since = time.monotonic() if found != last else since
        last = found
        time.sleep(0.05)
    return found


def per_cpu_second(receiver: Any, messages: Sequence[tuple[str, bytes]], senders: Senders, chunk: int) -> tuple[float, int]:
    """Stored per CPU-second of the process and how many were, sent in chunks that its buffer holds."""
    with receiver() as (process, port, stored):
        senders.send(messages[:SENDERS], port)
        warm = caught_up(stored, SENDERS)
        began = process.cpu_times()
        done = warm
        for at in range(0, len(messages), chunk):
            senders.send(messages[at : at + chunk], port)
            done = caught_up(stored, warm + min(at + chunk, len(messages)))
        ended = process.cpu_times()
    spent = ended.user + ended.system - began.user - began.system
    return (done - warm) / spent, done - warm


def burst(messages: Sequence[tuple[str, bytes]], senders: Senders) -> dict[str, Any]:
    with ours() as (_, port, stored):
        began = time.perf_counter()
        senders.send(messages, port)
        sent_s = time.perf_counter() - began
        found = caught_up(stored, len(messages))
    said = {"name": "traps_burst_lost", "value": len(messages) - found, "unit": "traps", "n": len(messages), "goal": 0}
    return said | {"sent_per_s": round(len(messages) / sent_s)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--station", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.station:
        asyncio.run(station(options.station))
        return
    messages, senders = datagrams(20_000 if options.quick else 100_000), Senders()
    value, n = per_cpu_second(ours, messages, senders, CHUNK)
    peer, of_peer = per_cpu_second(snmptrapd, messages[:20_000], senders, 200)
    about = {"peer": "snmptrapd", "peer_value": round(peer), "peer_n": of_peer, "ratio": round(value / peer, 2), "goal": 4}
    for figure in (
        {"name": "traps_stored", "value": round(value), "unit": "traps per CPU-second", "n": n, **about},
        burst(messages[:BURST], senders),
    ):
        print(json.dumps(figure) if options.json else "  ".join(f"{name} {value}" for name, value in figure.items()), flush=True)


if __name__ == "__main__":
    main()
