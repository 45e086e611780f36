"""What is inserted twice, in whole or in part, is read once; and what a dead store only seemed to have is stored again."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from station.telemetry.supervisor import OwnerProcess
from tests.perf.conftest import METERED, S, assembled
from tests.perf.test_perf_pipeline import feed, polls, until, writing

pytestmark = pytest.mark.slow


async def test_rows_of_an_insert_that_died_before_it_was_whole_are_stored_by_the_replay(
    owner: OwnerProcess, tmp_path: Path, now_ns: int
) -> None:
    async with assembled(owner, tmp_path, now_ns) as before:
        for batch in polls(METERED, now_ns, 5):
            before.pipeline.process(batch)
        before.clock.advance(120 * S)
        await before.pipeline.flush()
        before.journal.close()
        shutil.copytree(tmp_path / "journal", tmp_path / "then")
    async with assembled(owner, tmp_path, now_ns + 200 * S) as stored, writing(stored):
        await stored.pipeline.writer.replayed.wait()
        parts = await stored.client.query("SELECT path FROM system.parts WHERE active AND table = 'interface_raw'")
    first = owner.pid
    for path in parts["path"].tolist():  # as if the kill had come before the part got its name, which is the last thing done
        shutil.rmtree(path)
    os.kill(first, signal.SIGKILL)
    await until(lambda: owner.pid != first)
    shutil.rmtree(tmp_path / "journal")
    (tmp_path / "then").rename(tmp_path / "journal")
    async with assembled(owner, tmp_path, now_ns + 200 * S) as after, writing(after):
        await after.pipeline.writer.replayed.wait()
        found = await after.store.interface_samples(METERED, now_ns, now_ns + 300 * S)
    assert found.in_delta.tolist() == [0] + [30_000] * 4


async def test_a_station_that_died_in_its_first_slot_has_it_rolled_up_by_the_next(owner: OwnerProcess, tmp_path: Path, now_ns: int) -> None:
    async with assembled(owner, tmp_path, now_ns) as before, writing(before):
        await feed(before, polls(METERED, now_ns, 5))
    async with assembled(owner, tmp_path, now_ns + 700 * S) as after, writing(after):
        await after.pipeline.tiers.resume()
        await after.pipeline.tiers.tick()
        found = await after.client.query("SELECT in_octets, good FROM interface_5m FINAL")
    assert (found["in_octets"].tolist(), found["good"].tolist()) == ([120_000], [4])


async def test_after_the_clock_went_back_a_tier_made_again_still_replaces_the_older(
    owner: OwnerProcess, tmp_path: Path, now_ns: int
) -> None:
    batches = polls(METERED, now_ns, 21)
    async with assembled(owner, tmp_path, now_ns) as before, writing(before):
        await feed(before, batches[:8] + batches[9:])
        before.clock.advance(600 * S)
        await before.pipeline.tiers.roll(now_ns, now_ns + 300 * S)
    async with assembled(owner, tmp_path, now_ns + 601 * S) as after, writing(after):
        await after.pipeline.warm_up()
        await after.pipeline.tiers.resume()
        await feed(after, [batches[8]])
        await after.pipeline.tiers.tick()
        found = await after.client.query("SELECT in_octets FROM interface_5m FINAL ORDER BY time LIMIT 1")
    assert found["in_octets"].tolist() == [270_000]
