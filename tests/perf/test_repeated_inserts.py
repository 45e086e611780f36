"""What is inserted twice, in whole or in part, is read once; and what a dead store only seemed to have is stored again."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from station.telemetry.supervisor import OwnerProcess
from tests.perf.conftest import METERED, S, assembled
from tests.perf.test_perf_pipeline import polls, until, writing

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
