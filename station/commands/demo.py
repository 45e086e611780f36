"""`trunkline demo`: a station on a simulated network, in a data folder of its own."""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

from station.commands.context import FAILED, OK, USAGE, answer, complain, data_folder

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
    hostile: str


def demo(options: DemoOptions) -> int:
    def act() -> int:
        if not _is_kind(options.hostile):
            return USAGE
        folder = data_folder(options.data or data_folder(None) / "demo")
        if not _ready(folder, keep=options.keep):
            complain(f"{folder} holds something else than a demo's data; name another folder with --data")
            return USAGE
        return _run(options, folder)

    return answer(act)


def _is_kind(hostile: str) -> bool:
    if not hostile:
        return True
    from simulator.hostile import ALL

    if hostile not in ALL:
        complain(f"--hostile is one of {', '.join(ALL)}")
    return hostile in ALL


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
    from station.commands.demo_network import SimulatedNetwork
    from station.lean import lean, leave

    lean()

    async def run() -> None:
        network = SimulatedNetwork(folder, options.size, script=options.script, poisoned=options.poisoned, hostile=options.hostile)
        try:
            await network.start()
            from station.demo import run_demo  # two seconds of loading, beside the simulator's own

            await run_demo(network, folder, port=options.port, history=options.history)
        finally:
            await network.stop()
        leave()

    try:
        asyncio.run(run())
    except (OSError, TimeoutError) as error:
        complain(f"the demo cannot start: {error}")
        return FAILED
    return OK
