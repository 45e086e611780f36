"""A tier as Parquet: exact octets, names in words, instants in UTC."""

import io
from datetime import UTC, datetime

import httpx
import numpy as np
import polars as pl
import pytest
from fastapi import FastAPI

from perf import export_api
from perf.export import parquet
from perf.query import QueryError
from tests.perf.conftest import HOUR, METERED, PLAIN, S, Small
from tests.perf.test_threshold_preview import ask_as_station

pytestmark = pytest.mark.slow


async def exported(small: Small, tier: str, span: list[str]) -> httpx.Response:
    app = FastAPI()
    app.include_router(export_api.router(small.client, small.pipeline.names))
    return await ask_as_station(app, "GET", f"/api/v1/export/interface_{tier}.parquet?from={span[0]}&to={span[1]}")


async def test_a_tier_comes_out_as_it_is_stored(small: Small, now_ns: int) -> None:
    time_ns = now_ns - HOUR + np.arange(12, dtype=np.int64) * 300 * S
    for key, first in ((METERED, 2**60), (PLAIN, 300)):
        octets = np.full(12, first, np.uint64) + np.arange(12, dtype=np.uint64)
        rows = {"entity": np.full(12, key, np.uint64), "time_ns": time_ns, "in_octets": octets, "out_octets": octets}
        await small.store.insert_interface_tier("5m", rows, 1)
    span = [f"{datetime.fromtimestamp(t // S, UTC):%Y-%m-%dT%H:%M:%SZ}" for t in (now_ns - HOUR, now_ns)]
    answer = await exported(small, "5m", span)
    found = pl.read_parquet(io.BytesIO(answer.content))
    assert found.select("device", "interface", "site").unique(maintain_order=True).rows() == [
        ("ham-core-1", "xe-0/0/1", "Hamburg-01"),
        ("ham-core-1", "xe-0/0/2", "Hamburg-01"),
    ]
    metered = found.filter(pl.col("interface") == "xe-0/0/1")
    assert metered["in_octets"].to_list() == [2**60 + n for n in range(12)]
    assert metered["time"].to_list() == [datetime.fromtimestamp(t // S, UTC) for t in time_ns.tolist()]
    refused = await exported(small, "raw", span)
    assert (refused.status_code, refused.json()["detail"]) == (422, "tier must be one of 5m, 1h, 1d")


async def test_an_empty_span_is_refused(small: Small, now_ns: int) -> None:
    with pytest.raises(QueryError, match="before it begins"):
        await parquet(small.client, small.pipeline.names, "5m", now_ns, now_ns)
