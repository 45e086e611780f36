"""The chDB owner process answers the ClickHouse HTTP interface, keeps what it acknowledged, and is alone on its path."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import numpy as np
import numpy.typing as npt
import psutil
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from station.telemetry.client import TelemetryClient, TelemetryError, TelemetryUnavailableError, encode, timestamps
from station.telemetry.owner import EXIT_LOCKED, TOKEN_VARIABLE
from station.telemetry.supervisor import OwnerProcess

pytestmark = pytest.mark.slow
LARGEST = 2**64 - 1
INTEGERS: tuple[type[np.integer[Any]], ...] = (np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int16, np.int32, np.int64)
NOW_NS = time.time_ns()  # retention would remove older rows as they come


def rows(count: int, version: int) -> dict[str, npt.NDArray[Any]]:
    numbers = np.arange(count, dtype=np.uint64)
    return {
        "series": numbers,
        "time": timestamps(np.full(count, NOW_NS, np.int64)),
        "value": numbers.astype(np.float64),
        "quality": np.zeros(count, np.uint8),
        "version": np.full(count, version, np.uint64),
    }


async def test_integers_and_nanoseconds_come_back_exactly(client: TelemetryClient) -> None:
    found = await client.query(
        "SELECT {a:UInt64} AS a, {b:Array(UInt64)} AS b, {c:String} AS c", {"a": LARGEST, "b": [1, LARGEST], "c": "it's \\ fine"}
    )
    assert (found["a"].tolist(), found["b"][0].tolist(), found["c"].tolist()) == ([LARGEST], [1, LARGEST], ["it's \\ fine"])
    await client.insert("sample_raw", rows(3, 1))
    times = await client.query("SELECT toUnixTimestamp64Nano(time) AS t FROM sample_raw")
    assert times["t"].tolist() == [NOW_NS] * 3


async def test_values_of_every_type_come_back_as_they_were_sent(client: TelemetryClient) -> None:
    made = {f"c{n}": np.array([np.iinfo(kind).min, 0, np.iinfo(kind).max], kind) for n, kind in enumerate(INTEGERS)}
    made |= {"f": np.array([-0.5, np.nan, np.inf], np.float32), "g": np.array([1e-300, np.nan, -np.inf])}
    kinds = {name: f"{'U' if column.dtype.kind == 'u' else ''}Int{8 * column.itemsize}" for name, column in made.items()}
    kinds |= {"f": "Float32", "g": "Float64"}
    columns = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
    await client.command(f"CREATE TABLE typed (n UInt8, {columns}) ENGINE = MergeTree ORDER BY n")
    await client.insert("typed", {"n": np.arange(3, dtype=np.uint8), **made})
    found = await client.query("SELECT * FROM typed ORDER BY n")
    for name, column in made.items():
        np.testing.assert_array_equal(found[name], column, strict=True)


async def test_blocks_one_after_the_other_are_one_insert(client: TelemetryClient) -> None:
    await client.insert_stream("sample_raw", b"".join(encode(rows(60_000, version)) for version in range(4)))
    found = await client.query("SELECT rows FROM system.parts WHERE active AND table = 'sample_raw'")
    assert found["rows"].tolist() == [240_000]


async def test_a_large_insert_that_the_store_refuses_is_answered(client: TelemetryClient) -> None:
    wrong = encode({"nonsense": np.zeros(4_000_000, np.uint64)})
    with pytest.raises(TelemetryError) as refused:
        await client.insert_stream("sample_raw", wrong)
    assert not isinstance(refused.value, TelemetryUnavailableError)


async def test_a_body_in_chunks_with_its_statement_in_the_url_is_taken(owner: OwnerProcess, client: TelemetryClient) -> None:
    def send() -> None:
        driver = clickhouse_connect.get_client(dsn=owner.url, compress=False)
        block = encode(rows(1000, 1))
        driver.raw_insert("sample_raw", None, (block[n : n + 777] for n in range(0, len(block), 777)), {}, "Native")
        driver.close()

    await asyncio.to_thread(send)
    assert (await client.query("SELECT count() AS n FROM sample_raw"))["n"].tolist() == [1000]


async def test_a_list_longer_than_any_url_can_be_bound(client: TelemetryClient) -> None:
    found = await client.query("SELECT length({keys:Array(UInt64)}) AS n", {"keys": list(range(100_000))})
    assert found["n"].tolist() == [100_000]


async def test_a_repeated_token_adds_no_rows(client: TelemetryClient) -> None:
    kept = "CREATE TABLE adding (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 10"
    await client.command(kept)
    for _ in range(3):
        await client.insert("adding", {"n": np.arange(1000, dtype=np.uint64)}, token="flow-7")
    await client.insert("adding", {"n": np.arange(10, dtype=np.uint64)}, token="flow-8")
    assert (await client.query("SELECT count() AS n FROM adding"))["n"].tolist() == [1010]


async def test_an_acknowledged_insert_survives_kill_nine(client: TelemetryClient, owner: OwnerProcess) -> None:
    stored = 0
    for round_number in range(3):
        await client.insert("sample_raw", rows(500, round_number))
        stored += 500
        os.kill(owner.pid, signal.SIGKILL)
        # No retry here: the listening socket is the supervisor's, so the query waits for the owner's return.
        assert (await client.query("SELECT count() AS n FROM sample_raw"))["n"].tolist() == [stored]


async def test_a_bad_statement_is_refused_with_its_code(client: TelemetryClient) -> None:
    with pytest.raises(TelemetryError) as refused:
        await client.query("SELECT nothing_like_this FROM sample_raw")
    assert refused.value.code == 47
    with pytest.raises(TelemetryError):
        await client.insert("sample_raw", {"series": np.zeros(1, np.uint64), "nonsense": np.zeros(1, np.uint64)})
    assert await client.ready()


async def test_without_the_token_nobody_reads(owner: OwnerProcess) -> None:
    address = urlsplit(owner.url)
    with pytest.raises(DatabaseError, match="Authentication failed"):
        await asyncio.to_thread(
            clickhouse_connect.get_client, host=address.hostname, port=address.port, username="trunkline", password="guess"
        )
    with pytest.raises(urllib.error.HTTPError, match="401"):
        await asyncio.to_thread(urllib.request.urlopen, f"http://{address.hostname}:{address.port}/?query=SELECT+1")


async def test_the_drivers_own_native_format_works_too(owner: OwnerProcess) -> None:
    native = await asyncio.to_thread(lambda: clickhouse_connect.get_client(dsn=owner.url, compress=False))
    await asyncio.to_thread(native.command, "CREATE TABLE told (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
    await asyncio.to_thread(native.insert, "told", [[LARGEST, "x\ny"], [1, "'"]], column_names=["a", "b"])
    told = await asyncio.to_thread(native.query, "SELECT a, b FROM told ORDER BY a")
    assert told.result_rows == [(1, "'"), (LARGEST, "x\ny")]
    native.close()


async def test_a_second_owner_on_the_path_is_refused(owner: OwnerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", "import station.telemetry.owner as o, sys; o.LOCK_WAIT_S = 0.2; sys.exit(o.main(sys.argv[1:]))"]
    environment = os.environ | {TOKEN_VARIABLE: "other"}
    second = await asyncio.to_thread(
        subprocess.run, [*command, "--path", str(owner.path)], env=environment, capture_output=True, text=True, timeout=30
    )
    assert (second.returncode, "has an owner already" in second.stderr) == (EXIT_LOCKED, True)


async def test_the_owner_ends_with_the_station(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys; from pathlib import Path; from station.telemetry.supervisor import OwnerProcess\n"
        "async def main():\n"
        " async with OwnerProcess(Path(sys.argv[1])) as owner:\n  print(owner.pid, flush=True)\n  await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    station = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(tmp_path / "db"), stdout=asyncio.subprocess.PIPE)
    assert station.stdout is not None
    owner = psutil.Process(int(await station.stdout.readline()))
    station.kill()
    await station.wait()
    await asyncio.to_thread(psutil.wait_procs, [owner], timeout=60)
    assert not owner.is_running()
