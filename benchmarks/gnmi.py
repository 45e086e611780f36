"""gNMI updates from TLS to columns with series numbers, per CPU-second of the client, 20 and 200 updates a message.

A target process streams the same messages to three clients, each a process of its own: our input, pygnmi's `subscribe2` with its
parser, and grpc.aio that only parses the messages into protobuf objects. Then memory: 500 streams in one process.

python -m benchmarks.gnmi [--json] [--quick]
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

COUNTERS: Final = (
    "in-octets",
    "out-octets",
    "in-unicast-pkts",
    "out-unicast-pkts",
    "in-errors",
    "out-errors",
    "in-discards",
    "out-discards",
)
STREAMS: Final = 500
KINDS: Final = ("ours", "pygnmi", "grpc.aio")


def messages(updates: int, pb: Any) -> list[bytes]:
    """Messages of as many updates, ten a port, whose numbers grow."""
    made = []
    for step in range(8):
        notification = pb.Notification(timestamp=time.time_ns())
        for n in range(updates):
            leaf = f"counters/{COUNTERS[n % 10]}" if n % 10 < 8 else ("oper-status", "admin-status")[n % 10 - 8]
            names = ["interfaces", "interface", "state", *leaf.split("/")]
            at = [pb.PathElem(name=name, key={"name": f"et-0/0/{n // 10}"} if name == "interface" else {}) for name in names]
            value = pb.TypedValue(uint_val=10**12 + step * 1000 + n) if n % 10 < 8 else pb.TypedValue(json_ietf_val=b'"UP"')
            notification.update.append(pb.Update(path=pb.Path(elem=at), val=value))
        made.append(pb.SubscribeResponse(update=notification).SerializeToString())
    return made


async def target(folder: Path, updates: int, count: int, every_s: float) -> None:
    """Serve Capabilities and Subscribe over TLS: what says that all is told, `count` messages, then silence."""
    import grpc
    from gnmi_pb import gnmi_pb2 as pb

    octets = messages(updates, pb)
    synced = pb.SubscribeResponse(sync_response=True).SerializeToString()

    async def subscribe(_requests: Any, _context: Any) -> AsyncIterator[bytes]:
        yield synced  # first: until it comes, pygnmi hands out nothing
        for n in range(count):
            yield octets[n % len(octets)]
            if every_s:
                await asyncio.sleep(every_s)
        await asyncio.Event().wait()

    async def capabilities(_request: bytes, _context: Any) -> bytes:
        said: bytes = pb.CapabilityResponse(supported_encodings=[2, 4], gNMI_version="0.10.0").SerializeToString()
        return said

    handlers = {
        "Subscribe": grpc.stream_stream_rpc_method_handler(subscribe),
        "Capabilities": grpc.unary_unary_rpc_method_handler(capabilities),
    }
    server = grpc.aio.server(maximum_concurrent_rpcs=STREAMS + 10)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("gnmi.gNMI", handlers),))
    pair = ((folder / "server.key").read_bytes(), (folder / "server.crt").read_bytes())
    # the addresses of 500 devices are 127.0.0.0/8
    port = server.add_secure_port("0.0.0.0:0", grpc.ssl_server_credentials([pair]))
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


async def ours(folder: Path, port: int, wanted: int, streams: int) -> None:
    from collectors.inputs.gnmi import Gnmi, GnmiSettings, GnmiTarget
    from inventory.topology import Device, Entity, Topology
    from station.batch import SampleBatch
    from station.channel import Channel
    from station.clock import SystemClock

    names = [f"127.0.0.{n + 1}" if streams > 1 else "127.0.0.1" for n in range(streams)] if streams <= 250 else []
    names = names or [f"127.0.{n // 250}.{n % 250 + 1}" for n in range(streams)]
    devices = {no: Device(no=no, id=f"d{no}", name=f"r{no}", site_id="", management_address=name) for no, name in enumerate(names, 1)}
    ports = {no << 16 | n + 1: Entity(no << 16 | n + 1, f"if-{no}-{n}", "interface", f"et-0/0/{n}") for no in devices for n in range(20)}
    picture = Topology(1, devices=devices, entities=ports, addresses={d.management_address: no for no, d in devices.items()})
    out: Channel[SampleBatch] = Channel("bench gnmi", 64)
    targets = tuple(GnmiTarget(address=name, port=port, ca_file=folder / "ca.pem", server_name="server") for name in names)
    gnmi = Gnmi(GnmiSettings(targets=targets), lambda: picture, SystemClock(), lambda _: {}, out)
    task = asyncio.create_task(gnmi.run())
    found, began = 0, 0.0
    marks: list[float] = []
    async for batch in out:
        if not found:
            began = time.process_time()
            first = len(batch)
        found += len(batch)
        if streams > 1 and found // (wanted // 4) > len(marks):
            marks.append(_rss_mb())
        if found >= wanted:
            break
    print(json.dumps({"cpu_s": time.process_time() - began, "n": found - first, "marks": marks}), flush=True)
    task.cancel()


def _rss_mb() -> float:
    import psutil

    return float(psutil.Process().memory_info().rss / 1e6)


def pygnmi(folder: Path, port: int, wanted: int) -> None:
    from pygnmi.client import gNMIclient, telemetryParser

    paths = [{"path": "openconfig:/interfaces", "mode": "sample", "sample_interval": 10**9}]
    request = {"subscription": paths, "mode": "stream", "encoding": "proto"}
    found, began, first = 0, 0.0, 0
    with gNMIclient(("127.0.0.1", port), username="", password="", path_root=str(folder / "ca.pem"), override="server") as client:
        for message in client.subscribe2(subscribe=request):
            parsed = message if isinstance(message, dict) else telemetryParser(message)
            n = len(parsed.get("update", {}).get("update", ()))
            if not found:
                began, first = time.process_time(), n
            found += n
            if found >= wanted:
                break
        print(json.dumps({"cpu_s": time.process_time() - began, "n": found - first}), flush=True)
        import os

        os._exit(0)  # its threads wait for more


async def bare(folder: Path, port: int, wanted: int) -> None:
    import grpc
    from gnmi_pb import gnmi_pb2 as pb
    from gnmi_pb import gnmi_pb2_grpc as pb_grpc

    async def requests() -> AsyncIterator[Any]:
        yield pb.SubscribeRequest(subscribe=pb.SubscriptionList(subscription=[pb.Subscription()]))
        await asyncio.Event().wait()

    credentials = grpc.ssl_channel_credentials(root_certificates=(folder / "ca.pem").read_bytes())
    options = [("grpc.ssl_target_name_override", "server")]
    async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, options=options) as channel:
        found, began, first = 0, 0.0, 0
        async for response in pb_grpc.gNMIStub(channel).Subscribe(requests()):
            n = len(response.update.update)
            if not found:
                began, first = time.process_time(), n
            found += n
            if found >= wanted:
                break
        print(json.dumps({"cpu_s": time.process_time() - began, "n": found - first}), flush=True)


@contextmanager
def served(folder: Path, updates: int, count: int, every_s: float = 0) -> Iterator[int]:
    command = [sys.executable, "-m", "benchmarks.gnmi", "--target", str(folder), str(updates), str(count), str(every_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def client(kind: str, folder: Path, port: int, wanted: int, streams: int = 1) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.gnmi", "--client", kind, str(folder), str(port), str(wanted), str(streams)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise SystemExit(f"{kind} said nothing: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def certificates(folder: Path) -> None:
    from simulator.certificates import Authority

    authority = Authority(folder, datetime.now(UTC))
    made = authority.identity(cast("Any", SimpleNamespace(name="server", address="127.0.0.1")))
    (folder / "server.key").write_bytes(made.key)
    (folder / "server.crt").write_bytes(made.certificate)


def compared(folder: Path, updates: int, count: int) -> Iterator[dict[str, Any]]:
    with served(folder, updates, count) as port:
        rates = {kind: (found := client(kind, folder, port, updates * count))["n"] / found["cpu_s"] for kind in KINDS}
    for peer, goal in (("pygnmi", 1.8 if updates == 20 else 4), ("grpc.aio", 0.8)):
        figure = {"name": f"gnmi_{updates}_updates", "value": round(rates["ours"]), "unit": "updates per CPU-second", "n": updates * count}
        yield figure | {"peer": peer, "peer_value": round(rates[peer]), "ratio": round(rates["ours"] / rates[peer], 2), "goal": goal}


def memory(folder: Path, rounds: int) -> dict[str, Any]:
    """500 targets in one process: resident memory after each quarter of what they send."""
    with served(folder, 20, rounds, 0.2) as port:
        found = client("ours", folder, port, STREAMS * 20 * rounds * 9 // 10, STREAMS)
    marks = [round(mark) for mark in found["marks"]]
    grown = round(marks[-1] - marks[0], 1)
    return {"name": "gnmi_500_targets_memory_growth", "value": grown, "unit": "MB", "n": found["n"], "marks_mb": marks, "goal": 10}


def figures(*, quick: bool) -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificates(folder)
        yield from compared(folder, 20, 2_000 if quick else 20_000)
        yield from compared(folder, 200, 500 if quick else 5_000)
        yield memory(folder, 20 if quick else 200)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--target", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--client", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.target:
        folder, updates, count, every_s = options.target
        asyncio.run(target(Path(folder), int(updates), int(count), float(every_s)))
    elif options.client:
        kind, folder, *numbers = options.client
        port, wanted, streams = map(int, numbers)
        if kind == "pygnmi":
            pygnmi(Path(folder), port, wanted)
        else:
            asyncio.run(ours(Path(folder), port, wanted, streams) if kind == "ours" else bare(Path(folder), port, wanted))
    else:
        for figure in figures(quick=options.quick):
            print(json.dumps(figure) if options.json else "  ".join(f"{name} {value}" for name, value in figure.items()), flush=True)


if __name__ == "__main__":
    main()
