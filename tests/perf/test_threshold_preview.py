"""A threshold runs over history before it is saved: the same rule, the same verdicts."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI, Request, Response
from pydantic import ValidationError

from perf import rules_api, thresholds
from perf.preview import Fired, replayed
from perf.query import History, HistoryQuery, QueryError
from perf.thresholds import Comparison
from station.data import data_dir
from station.scope import STATION
from station.web import ProblemError
from tests.perf.conftest import HOUR, METERED, PLAIN, S, Small
from tests.perf.test_perf_pipeline import feed, poll, polls, writing

START = 1_790_000_000 * S
HOT = {"metric": "sensor.temperature", "raise_when": {"above": 60, "for_s": 60}, "clear_when": {"at_most": 55}}


def history(samples: Mapping[int, Sequence[tuple[float, float]]]) -> History:
    """entity -> (second, value), brought into order of time."""
    rows = sorted((START + int(second * S), entity, value) for entity, column in samples.items() for second, value in column)
    time_ns, entity, value = (np.array(column) for column in zip(*rows, strict=True))
    return History("raw", entity.astype(np.uint64), time_ns.astype(np.int64), value.astype(np.float64), np.full(len(rows), np.nan))


def test_what_would_have_fired_is_named_with_its_end() -> None:
    hot = [(0, 70), (60, 71), (120, 50), (180, 70), (240, 72), (300, 73)]
    found = replayed(Comparison.model_validate(HOT), history({7: hot, 8: [(n * 60, 40) for n in range(6)], 9: [(0, 90), (60, 40)]}))
    assert found.fired == (Fired(7, START + 60 * S, 71, START + 120 * S), Fired(7, START + 240 * S, 72, None))
    assert (found.count, found.entities, found.values) == (2, 1, 14)


def test_nothing_stored_gives_nothing_fired() -> None:
    nothing = np.zeros(0, np.float64)
    empty = History("raw", nothing.astype(np.uint64), nothing.astype(np.int64), nothing, nothing)
    assert replayed(Comparison.model_validate(HOT), empty).count == 0


def test_how_fast_something_changes_can_be_compared() -> None:
    falling = {
        "metric": "sensor.optical_receive_power",
        "of": "change_per_hour",
        "raise_when": {"below": -1},
        "clear_when": {"at_least": -0.1},
    }
    found = replayed(Comparison.model_validate(falling), history({7: [(0, -8), (1800, -8.1), (3600, -9.1), (5400, -9.1)]}))
    assert [(it.raised_ns, round(it.value, 6), it.cleared_ns) for it in found.fired] == [(START + 3600 * S, -2, START + 5400 * S)]


def test_a_series_that_raises_and_clears_in_one_batch_does_both() -> None:
    rule = thresholds.read(data_dir("config") / "thresholds" / "sensor_temperature.toml")
    times = np.array([0, 60, 120, 180, 240], np.int64) * 60 * S + START
    value = np.array([90, 90, 20, 20, 20], np.float64)
    changes = rule.changes(np.full(5, 7, np.uint64), times, value, lambda code, keys: np.full(len(keys), np.nan))
    assert [raised for _, _, raised, _ in changes] == [True, False]


def test_an_unknown_key_of_a_rule_is_refused() -> None:
    with pytest.raises(ValidationError, match="raise_at"):
        Comparison.model_validate({**HOT, "raise_at": 1})


async def _answered(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return error.response()


async def ask_as_station(app: FastAPI, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
    """One request with the station's own scope."""
    app.add_exception_handler(ProblemError, _answered)

    @app.middleware("http")
    async def as_station(request: Request, following: Any) -> Any:
        request.state.scope = STATION
        return await following(request)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://station") as client:
        return await client.request(method, path, json=body)


async def asked(small: Small, body: dict[str, Any]) -> httpx.Response:
    app = FastAPI()
    app.include_router(rules_api.router(small.pipeline, small.store))
    return await ask_as_station(app, "POST", "/api/v1/thresholds/preview", body)


@pytest.mark.slow
async def test_the_preview_over_stored_history(small: Small, now_ns: int) -> None:
    async with writing(small):
        await feed(small, [*polls(METERED, now_ns, 10, octets_per_s=110_000_000), poll(PLAIN, now_ns, (0, 0), oper=2)])
    span = {"start": str(np.datetime64(now_ns, "ns"))[:19] + "Z", "end": str(np.datetime64(now_ns + HOUR, "ns"))[:19] + "Z"}
    busy = {"metric": "interface.in_utilisation", "raise_when": {"above": 0.8, "for_s": 60}, "clear_when": {"below": 0.7}}
    guard = {"metric": "interface.oper_status", "any_of": [1]}
    answer = (await asked(small, {"rule": {**busy, "only_when": guard}, **span})).json()
    assert (answer["says"], answer["tier"]) == ("would have fired 1 time on 1 resources", "raw")
    assert [(item["resource_id"], item["value"], item["cleared_at"]) for item in answer["items"]] == [("if-1", pytest.approx(0.88), None)]
    north = await asked(small, {"rule": busy, **span, "region": "east"})
    assert north.json()["count"] == 0
    unknown = await asked(small, {"rule": {**busy, "metric": "nobody.knows"}, **span})
    assert (unknown.status_code, unknown.json()["detail"]) == (422, "'nobody.knows' is no metric")


def test_a_span_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(QueryError):
        HistoryQuery("sensor.temperature", START, START)
