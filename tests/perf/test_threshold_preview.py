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
END = START + 86_400 * S
HOT = {"metric": "sensor.temperature", "raise_when": {"above": 60, "for_s": 60}, "clear_when": {"at_most": 55}}


def history(samples: Mapping[int, Sequence[tuple[float, float]]]) -> History:
    """entity -> (second, value), brought into order of time."""
    rows = sorted((START + int(second * S), entity, value) for entity, column in samples.items() for second, value in column)
    time_ns, entity, value = (np.array(column) for column in zip(*rows, strict=True))
    return History("raw", entity.astype(np.uint64), time_ns.astype(np.int64), value.astype(np.float64), np.full(len(rows), np.nan))


def test_what_would_have_fired_is_named_with_its_end() -> None:
    hot = [(0, 70), (60, 71), (120, 50), (180, 70), (240, 72), (300, 73)]
    found = replayed(Comparison.model_validate(HOT), history({7: hot, 8: [(n * 60, 40) for n in range(6)], 9: [(0, 90), (60, 40)]}), END)
    assert found.fired == (Fired(7, START + 60 * S, 71, START + 120 * S), Fired(7, START + 240 * S, 72, None))
    assert (found.count, found.entities, found.values) == (2, 1, 14)


def test_nothing_stored_gives_nothing_fired() -> None:
    nothing = np.zeros(0, np.float64)
    empty = History("raw", nothing.astype(np.uint64), nothing.astype(np.int64), nothing, nothing)
    assert replayed(Comparison.model_validate(HOT), empty, END).count == 0


def test_how_fast_something_changes_can_be_compared() -> None:
    falling = {
        "metric": "sensor.optical_receive_power",
        "of": "change_per_hour",
        "raise_when": {"below": -1},
        "clear_when": {"at_least": -0.1},
    }
    found = replayed(Comparison.model_validate(falling), history({7: [(0, -8), (1800, -8.1), (3600, -9.1), (5400, -9.1)]}), END)
    assert [(it.raised_ns, round(it.value, 6), it.cleared_ns) for it in found.fired] == [(START + 3600 * S, -2, START + 5400 * S)]


def test_silence_would_have_fired_at_its_very_second() -> None:
    silent = {"metric": "sensor.temperature", "of": "silent_s", "raise_when": {"above": 300}, "clear_when": {"below": 60}}
    found = replayed(Comparison.model_validate(silent), history({7: [(0, 1), (60, 1), (900, 1)], 8: [(0, 1), (300, 1)]}), START + 1000 * S)
    ends = [(it.entity, it.raised_ns, it.cleared_ns) for it in found.fired]
    assert ends == [(7, START + 360 * S + 1, START + 900 * S), (8, START + 600 * S + 1, None)]


def rule_of(**about: Any) -> thresholds.Rule:
    rest = {"summary": "s", "reference": "r", "alarm_type": "processing.x", "perceived_severity": "minor", "examples": []}
    return thresholds.rule_of("x", thresholds.RuleFile.model_validate(rest | about))


def test_what_is_not_heard_any_more_raises_and_clears_when_it_speaks() -> None:
    rule = rule_of(metric="sensor.temperature", of="silent_s", raise_when={"above": 300}, clear_when={"below": 60})
    judge = thresholds.Thresholds(str, lambda code, keys: np.full(len(keys), np.nan), [rule])
    series = np.array([7 << 8 | 64, 8 << 8 | 64, 9 << 8 | 1], np.uint64)  # the last one is of another metric
    heard = np.array([START, START + 200 * S, START], np.int64)
    said = [judge.silence(series, heard, START + second * S) for second in (290, 310, 320)]
    heard[0] = START + 325 * S
    said.append(judge.silence(series, heard, START + 330 * S))
    assert [[(it.resource, it.severity) for it in events] for events in said] == [[], [("7", "minor")], [], [("7", "cleared")]]
    assert judge.listens and not judge.watches.any()
    assert said[1][0].text == "s: 310 s without a value"


@pytest.mark.slow
def test_a_burn_rate_raises_on_lasting_errors_and_clears_soon_after() -> None:
    rule = rule_of(
        metric="interface.in_error_ratio", of="burn_rate", budget=0.001, window_s=3600, raise_when={"above": 10}, clear_when={"below": 1}
    )
    minutes = np.arange(400)
    share = np.where((minutes == 20) | ((minutes >= 60) & (minutes < 120)), 0.05, 0.0)  # a bad minute, and a bad hour
    changes = rule.changes(np.full(400, 7, np.uint64), START + minutes * 60 * S, share, lambda code, keys: np.full(len(keys), np.nan))
    raised, cleared = ((time_ns - START) // (60 * S) for _, time_ns, _, _ in changes)
    assert [up for _, _, up, _ in changes] == [True, False]
    assert 62 < raised < 90 and 120 < cleared < 150


@pytest.mark.parametrize("wrong", [{"of": "burn_rate"}, {"budget": 1.0}, {"of": "silent_s", "raise_when": {"above": 9, "for_s": 9}}])
def test_a_comparison_that_cannot_be_made_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Comparison.model_validate(HOT | wrong)


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
