"""`trunkline demo`: a station on a simulated network, in a data folder of its own."""

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from station.commands.context import FAILED, OK, USAGE, answer, complain, data_folder, say, settings_in_force

MARK = "trunkline-demo"  # a file that says that the folder holds nothing but a demo's data


@dataclass(frozen=True, slots=True)
class DemoOptions:
    data: Path | None
    size: int
    port: int | None
    script: bool
    keep: bool
    history: bool
    poisoned: bool


def demo(options: DemoOptions) -> int:
    def act() -> int:
        folder = data_folder(options.data or data_folder(None) / "demo")
        if not _ready(folder, keep=options.keep):
            complain(f"{folder} holds something else than a demo's data; name another folder with --data")
            return USAGE
        return _run(options, folder)

    return answer(act)


def _ready(folder: Path, *, keep: bool) -> bool:
    """Whether the folder is the demo's; emptied unless its data is to be kept."""
    mark = folder / MARK
    if any(folder.iterdir()) and not mark.exists():
        return False
    if not keep:
        shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
    mark.touch()
    return True


def _run(options: DemoOptions, folder: Path) -> int:
    from station.assembly import Plan, run_station
    from station.clock import SystemClock
    from station.commands.run import changed
    from station.demo import Demo, demo_settings, start_network, with_free_ports, world_of
    from station.echo import Echo
    from station.logs import set_up

    set_up()
    settings = with_free_ports(settings_in_force(None, folder))
    if options.port is not None:
        settings = changed(settings, "web", "port", options.port)

    async def run() -> None:
        clock = SystemClock()
        world = world_of(options.size, poisoned=options.poisoned)
        echo = Echo(clock)
        tickets_url = await echo.open()
        network = await start_network(folder, options.size, settings, script=options.script, poisoned=options.poisoned)
        try:
            chosen = demo_settings(settings, world, network.ready, tickets_url)
            guest = Demo(network, echo, tickets_url, world, history=options.history)
            plan = Plan(settings=chosen, folder=folder, environ=os.environ, simulated=True, clock=clock, guest=guest)
            await run_station(plan, lambda link: say(f"SIMULATED NETWORK of {options.size} devices. Open {link}"))
        finally:
            await network.child.stop()
            await echo.close()

    try:
        asyncio.run(run())
    except (OSError, TimeoutError) as error:
        complain(f"the demo cannot start: {error}")
        return FAILED
    return OK
