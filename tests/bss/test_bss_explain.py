"""An explanation says what the bill did: over several ports, ties, gaps, corrections and a store that is gone."""

import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from billing_bridge.meter import Meter
from bss.billing import Biller
from bss.explain import explain
from bss.tariffs import Tariffs
from station.state import State
from station.telemetry.client import TelemetryUnavailableError
from tests.billing_bridge.metered import CLERK, DAY_NS, NS, PORT, Arrays, ArraySource, add_customer, add_service, at, network, polled
from tests.bss.test_bss_billing import BSS, JULY, JUNE, SETTINGS, invoices

POLICIES = list(itertools.product(("higher_direction", "slot_max", "sum"), ("exclude", "accept_interpolated", "zero")))
TARIFF = """summary = "Burst"
currency = "EUR"
rounding = "half_up"
[[charges]]
kind = "percentile"
percent = 95
direction = "{direction}"
missing = "{missing}"
overage_price = "1.00"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "tariffs"
    made.mkdir()
    return made


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    made = State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
    yield made
    await made.close()


def tariffs(root: Path) -> Tariffs:
    """One tariff for each pair of policies: `p0`, `p1`, ..."""
    for n, (direction, missing) in enumerate(POLICIES):
        (root / f"p{n}").mkdir()
        (root / f"p{n}" / "2026-01-01.toml").write_text(TARIFF.format(direction=direction, missing=missing))
    return Tariffs(root)


def holed(samples: Arrays, *holes: slice, uptime: bool) -> Arrays:
    """The samples without those in the holes; without uptime nothing can bridge them."""
    kept = samples.take(np.delete(np.arange(len(samples.time_ns)), np.concatenate([np.arange(9000)[hole] for hole in holes])))
    return kept if uptime else replace(kept, uptime_cs=np.full(len(kept.time_ns), -1, np.int64))


async def billed_by(state: State, made: Tariffs, source: ArraySource, tariff: str) -> list[dict[str, object]]:
    await network(state)
    late = at("2026-06-20")
    await add_service(state, 1, await add_customer(state, 1), tariff, {1: (0, 0), 2: (0, late), 3: (at("2026-06-10"), 0)})
    await Meter(state, CLERK, source, SETTINGS).run_once(JULY + DAY_NS)
    await Biller(state, made, BSS, SETTINGS).run(CLERK, "2026-06", JULY + 3 * DAY_NS)
    return await invoices(state)


@pytest.mark.slow
@pytest.mark.parametrize("n", range(len(POLICIES)), ids=["-".join(pair) for pair in POLICIES])
async def test_the_ranking_shown_is_the_ranking_billed(n: int, state: State, folder: Path) -> None:
    """Three ports, one of which was never measured, one bound late; equal slots, interpolated and lost ones."""
    ports = [polled(JUNE, JULY, lambda n: (n % 7, 3 + n % 5)), polled(JUNE, JULY, lambda n: (n % 11, 9 - n % 4))]
    source = ArraySource(
        {
            PORT[1]: holed(ports[0], slice(500, 520), slice(3000, 3002), uptime=True),
            PORT[2]: holed(ports[1], slice(700, 900), uptime=False),
        }
    )
    rows = await billed_by(state, tariffs(folder), source, f"p{n}")
    line = json.loads(str(rows[0]["document"]))["lines"][0]
    tree = await explain(state, CLERK, source, str(rows[0]["number"]), 1)
    assert tree is not None and tree["slots"]["agrees"]
    assert tree["slots"]["counts"] == {name: n for name, n in line["computation"]["slots"].items() if name != "expected"}
    shown = next(slot for slot in tree["slots"]["decisive"] if slot["rank"] == line["computation"]["rank"])
    assert (shown["start_ns"], shown["octets"]) == (line["computation"]["slot_ns"], line["computation"]["octets"])
    assert tree["slots"]["counts"]["gap"] > 0 and tree["slots"]["counts"]["interpolated"] > 0


async def test_a_month_without_a_measurement_is_explained_as_such(state: State, folder: Path) -> None:
    rows = await billed_by(state, tariffs(folder), ArraySource(), "p0")
    tree = await explain(state, CLERK, ArraySource(), str(rows[0]["id"]), 1)
    assert tree is not None and tree["slots"]["agrees"]
    assert (tree["slots"]["counts"]["gap"], tree["slots"]["decisive"], tree["raw"]) == (8640, [], [])


@dataclass
class Gone(ArraySource):
    async def interface_samples(self, entity_key: int, start_ns: int, end_ns: int) -> Arrays:
        raise TelemetryUnavailableError("connection refused")


async def test_without_the_telemetry_store_everything_above_the_samples_is_still_explained(state: State, folder: Path) -> None:
    source = ArraySource({PORT[n]: polled(JUNE, JULY, lambda n: (5, 1)) for n in (1, 2, 3)})
    rows = await billed_by(state, tariffs(folder), source, "p1")
    tree = await explain(state, CLERK, Gone(), str(rows[0]["id"]), 1)
    assert tree is not None and "does not answer" in tree["raw"][0]["note"]
    assert tree["slots"]["decisive"] and tree["slots"]["billed_ns"] % (300 * NS) == 0
