"""The gNMI input alone in a process of its own, since `gnmi_pb` and pygnmi cannot share one: prints what it hands over as JSON.

python -m tests.peers.collectors.gnmi_station ADDRESS PORT CA_FILE SERVER_NAME [USER PASSWORD]
"""

import asyncio
import json
import math
import sys
from pathlib import Path

from collectors.inputs.gnmi import Gnmi, GnmiSettings, GnmiTarget
from inventory.topology import Device, Entity, Topology
from station.batch import SampleBatch
from station.channel import Channel
from station.clock import SystemClock

DEVICE = Device(no=7, id="d", name="ham-core-1", site_id="", management_address="127.64.1.1")
PORTS = {7 << 16 | n: Entity(7 << 16 | n, f"if-{n}", "interface", f"et-0/0/{n}") for n in range(6)}


async def main(address: str, port: str, ca_file: str, server_name: str, *login: str) -> None:
    samples: Channel[SampleBatch] = Channel("samples", 64)
    topology = Topology(devices={7: DEVICE}, entities=PORTS, addresses={address: 7})
    target = GnmiTarget(address=address, port=int(port), ca_file=Path(ca_file), server_name=server_name, credential="target")
    secret = dict(zip(("username", "password"), login, strict=False))
    gnmi = Gnmi(GnmiSettings(targets=(target,), sample_interval_s=1), lambda: topology, SystemClock(), lambda _: secret, samples)
    task = asyncio.create_task(gnmi.run())
    async for batch in samples:
        columns = {name: getattr(batch, name).tolist() for name in ("series", "raw", "width")}
        states = [None if math.isnan(value) else value for value in batch.value.tolist()]
        sys.stdout.write(json.dumps({**columns, "value": states, "covered": sorted(gnmi.covered)}) + "\n")
        sys.stdout.flush()
    await task


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
