"""Two demos on one machine do not hear each other's devices."""

from dataclasses import astuple
from pathlib import Path

from station.commands.demo_network import SimulatedNetwork


async def test_two_demos_that_begin_at_once_have_ports_of_their_own(tmp_path: Path) -> None:
    both = [SimulatedNetwork(tmp_path / name, 10, script=False, poisoned=False) for name in ("a", "b")]
    first, second = (set(astuple(each.ports)) for each in both)
    assert not first & second
    for each in both:
        await each.stop()
