"""A part that fails is started again; one that ends is left alone."""

import pytest

from station import lifecycle
from station.metrics import REGISTRY


async def test_a_failing_part_is_started_again_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "RESTART_FIRST_S", 0.0)
    runs: list[int] = []

    async def part() -> None:
        runs.append(1)
        if len(runs) < 3:
            raise ValueError("a bug")

    await lifecycle.keep("test", part)
    assert len(runs) == 3
    assert REGISTRY.get_sample_value("trunkline_part_restarts_total", {"part": "test"}) == 2
