"""The command line of the simulator. Exit codes: 0 ended by a signal, 1 could not start, 2 wrong use."""

import argparse
import asyncio
import importlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.address import Address
from simulator.agents import HOSTILE_AT, PORT, Agents
from simulator.build import build
from simulator.control import Control
from simulator.emitter import Emitter, Wrap, in_v2c
from simulator.hostile import ALL, REBOOT_EVERY_S, REBOOTS, RENUMBERS
from simulator.incidents import incidents
from simulator.informs import Informs, V2cDialect
from simulator.live import Live
from simulator.network import NS_PER_S, Network
from simulator.poison import poisoned, story
from simulator.stories import Stage, load
from simulator.traffic import Boots
from simulator.world import MIN_SIZE, Device, World
from station.clock import SystemClock
from station.lean import settle
from station.lifecycle import stop_on_signals
from station.parent import die_with_parent

if TYPE_CHECKING:
    from simulator.certificates import Identity

COMMUNITY = "public"


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="python -m simulator", description="A simulated network on loopback.")
    result.add_argument("--size", type=_size, default=60, help=f"how many devices (at least {MIN_SIZE})")
    result.add_argument("--seed", type=int, default=1, help="another seed is another network")
    result.add_argument("--port", type=int, default=PORT, help="UDP port of every SNMP agent")
    result.add_argument("--data", type=Path, default=Path("var/simulator"), help="folder for certificates")
    result.add_argument("--trap", type=Address.parse, default=Address("127.0.0.1", 16162), help="where traps go")
    result.add_argument("--trap-version", choices=("2c", "3"), default="2c", help="3: authenticated and encrypted")
    result.add_argument("--inform", action="store_true", help="repeat notifications until they are acknowledged")
    result.add_argument("--syslog", type=Address.parse, default=Address("127.0.0.1", 16514), help="where syslog lines go")
    result.add_argument("--control-port", type=int, default=0, help="TCP port of the remote control; 0: any free one")
    result.add_argument("--control-token-file", type=Path, help="file with the token of the remote control; without it there is none")
    result.add_argument("--gnmi-port", type=int, default=16030, help="TCP port of every gNMI target")
    result.add_argument("--gnmi-devices", type=int, default=3, help="how many core routers speak gNMI")
    result.add_argument("--poisoned", action="store_true", help="the last device has hostile names and texts")
    result.add_argument("--hostile", choices=ALL, default="", help="how the agent of the last but one device misbehaves")
    result.add_argument("--no-script", action="store_true", help="play no story by itself")
    return result


def _size(text: str) -> int:
    if not text.isdigit() or int(text) < MIN_SIZE:
        raise argparse.ArgumentTypeError(f"{text}: a simulated network has at least {MIN_SIZE} devices")
    return int(text)


def main(arguments: list[str]) -> int:
    options = parser().parse_args(arguments)
    die_with_parent(os.getppid())
    try:
        asyncio.run(run(options))
    except OSError as error:
        print(f"simulator: {error}", file=sys.stderr)  # noqa: T201 - a command speaks on stderr
        return 1
    return 0


def _wrap(network: Network, version: str) -> Wrap:
    if version == "2c":
        return in_v2c(COMMUNITY)
    from simulator.agent_v3 import in_v3  # its cryptography costs start-up time that v2c does not need

    return lambda device, pdu, request_id, now_ns: in_v3(network, device, pdu, request_id, now_ns)


def _reboot_again_and_again(network: Network, device: int, now_ns: int) -> None:
    next_ns = now_ns + int(REBOOT_EVERY_S * NS_PER_S)

    def reboot(at_ns: int) -> None:
        network.reboot(device, at_ns)
        _reboot_again_and_again(network, device, at_ns)

    network.later(next_ns, reboot)


def _informs(options: argparse.Namespace) -> Informs | None:
    if not options.inform:
        return None
    if options.trap_version == "2c":
        return Informs(options.trap, V2cDialect(COMMUNITY))
    from simulator.agent_v3 import V3Dialect  # its cryptography costs start-up time that v2c does not need

    return Informs(options.trap, V3Dialect())


async def run(options: argparse.Namespace) -> None:
    """Start everything, say `ready` in one JSON line on stdout, and serve until a signal comes."""
    clock = SystemClock()
    now_ns = clock.now_ns()
    world = build(options.seed, options.size)
    if options.poisoned:
        world = poisoned(world)
    network = Network(world, Boots.of(world, now_ns, incidents(world, now_ns).again_ns(world)), now_ns)
    stories, scripts = load()
    if options.poisoned:
        stories = (*stories, story(world.devices[-1]))
    stage = Stage(network, stories)
    informs, wrap = _informs(options), _wrap(network, options.trap_version)
    emitter = Emitter(network, trap_to=options.trap, syslog_to=options.syslog, wrap=wrap, informs=informs)
    live = Live(network, stage, emitter, clock.now_ns)
    agents = Agents(network, COMMUNITY, clock.now_ns, options.port, options.hostile)
    stop = asyncio.Event()
    stop_on_signals(stop)
    agents.open()
    ready: dict[str, Any] = {
        "ready": True,
        "now_ns": now_ns,
        "devices": len(world.devices),
        "cidr": world.cidr,
        "seed_address": world.devices[world.attachment].address,
        "port": options.port,
        "community": COMMUNITY,
    }
    speakers = _speakers(world, options.gnmi_devices)
    if speakers:
        from simulator.certificates import authority  # its cryptography costs start-up time that others do not need

        made = authority(options.data, now_ns)
        identities = {device: made.identity(device) for device in speakers}
        ready["gnmi"] = {"port": options.gnmi_port, "ca_file": str(made.file), "addresses": [device.address for device in speakers]}
    control = Control(live, options.control_token_file.read_text().strip()) if options.control_token_file else None
    if control is not None:
        ready["control_port"] = await control.open(options.control_port)
    print(json.dumps(ready), flush=True)  # noqa: T201 - the parent reads this line
    settle()
    if options.hostile in (REBOOTS, RENUMBERS):
        _reboot_again_and_again(network, world.devices[HOSTILE_AT].number, now_ns)
    running = [asyncio.create_task(live.run(() if options.no_script else scripts))]
    if speakers:
        running.append(asyncio.create_task(_gnmi(live, identities, options.gnmi_port)))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([stopping, *running], return_when=asyncio.FIRST_COMPLETED)
    for task in running:
        task.cancel()
    ended = await asyncio.gather(*running, return_exceptions=True)
    if control is not None:
        await control.close()
    agents.close()
    if informs is not None:
        informs.close()
    for failure in ended:
        if isinstance(failure, Exception):
            raise failure


def _speakers(world: World, count: int) -> list[Device]:
    """The devices that speak gNMI: the first core router of each region, then their seconds."""
    core = [device for device in world.devices if device.role == "core"]
    return sorted(core, key=lambda device: (device.name[-1], device.number))[:count]


async def _gnmi(live: Live, identities: "dict[Device, Identity]", port: int) -> None:
    """Serve gNMI until cancelled; gRPC is loaded beside the agents that answer already."""
    gnmi = await asyncio.to_thread(importlib.import_module, "simulator.gnmi")
    servers = [await gnmi.serve(live, device, identity, port) for device, identity in identities.items()]
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.gather(*(server.stop(gnmi.GRACE_S) for server in servers))
