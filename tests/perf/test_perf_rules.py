"""Every KPI and threshold file: its examples hold, and it shows a case that acts and one that does not."""

import math
from pathlib import Path

import numpy as np
import pytest

from perf import kpis, thresholds
from perf.kpis import Formula, FormulaError, Kpi
from perf.thresholds import Rule, Thresholds
from station.batch import Event
from station.data import data_dir

S = 1_000_000_000
KPI_FILES = sorted((data_dir("config") / "kpis").glob("*.toml"))
RULE_FILES = sorted((data_dir("config") / "thresholds").glob("*.toml"))
KEY = 7 << 16 | 3


def happened(rule: Rule, samples: list[tuple[float, ...]]) -> list[tuple[float, str]]:
    guard = float("nan")
    names = Thresholds(lambda key: f"resource-{key}", lambda code, keys: np.full(len(keys), guard), [rule])
    events: list[Event] = []
    for second, value, *rest in samples:
        guard = rest[0] if rest else guard
        code = np.array([rule.metric.code], np.uint8)
        if rule.file.of == "spreads":
            events += names.unusual(rule.metric.code, np.array([KEY], np.uint64), np.array([S + int(second * S)]), np.array([float(value)]))
            continue
        events += names.events(np.array([KEY], np.uint64), code, np.array([S + int(second * S)], np.int64), np.array([value], np.float64))
    return [((event.time_ns - S) / S, "cleared" if event.severity == "cleared" else "raised") for event in events]


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.stem)
def test_a_threshold_does_what_its_examples_say(path: Path) -> None:
    examples = thresholds.read(path).file.examples
    for example in examples:
        assert happened(thresholds.read(path), list(example.samples)) == [tuple(e) for e in example.expect], example.says
    assert any(example.expect for example in examples) and not all(example.expect for example in examples)


@pytest.mark.parametrize("path", KPI_FILES, ids=lambda path: path.stem)
def test_a_kpi_gives_what_its_examples_say(path: Path) -> None:
    kpi = kpis.read(path)
    for example in kpi.file.examples:
        columns = {name: np.array([value], np.float64) for name, value in example.given.items()}
        assert kpi.formula.values(columns)[0] == pytest.approx(example.expect, nan_ok=True), example.says
    expected = [example.expect for example in kpi.file.examples]
    assert any(map(math.isnan, expected)) and not all(map(math.isnan, expected))


def test_every_metric_that_should_have_a_rule_has_one() -> None:
    watched = {thresholds.read(path).file.metric for path in RULE_FILES}
    assert watched >= {
        "interface.oper_status",
        "interface.in_utilisation",
        "interface.in_error_ratio",
        "sensor.temperature",
        "sensor.optical_receive_power",
        "device.cpu_utilisation",
        "device.memory_utilisation",
    }


@pytest.mark.parametrize(
    "text", ["__import__('os')", "a.b", "a if b else c", "a ** b", "f(1)", "a[0]", "'x'", "True and 1", "a +", "x" * 501]
)
def test_a_formula_is_only_arithmetic(text: str) -> None:
    with pytest.raises(FormulaError):
        Formula.parse(text)


def test_a_formula_is_the_same_as_sql() -> None:
    formula = Formula.parse("-8 * (a + 1) / b")
    assert formula.sql(lambda name: f"{name}_mean") == "(((-8) * (a_mean + 1)) / nullIf(b_mean, 0))"
    assert formula.values({"a": np.array([1.0, 1.0]), "b": np.array([2.0, 0.0])}).tolist() == pytest.approx([-8.0, math.nan], nan_ok=True)


def test_a_kpi_over_an_unknown_metric_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(KPI_FILES[0].read_text().replace('formula = "', 'formula = "nonsense * '))
    with pytest.raises(FormulaError, match="nonsense"):
        kpis.read(path)


def test_kpis_are_found_by_their_files() -> None:
    assert {kpi.metric for kpi in kpis.every()} == {kpis.read(path).metric for path in KPI_FILES}
    assert all(isinstance(kpi, Kpi) for kpi in kpis.every())


def test_an_alarm_from_before_a_restart_still_clears() -> None:
    rule = thresholds.read(data_dir("config") / "thresholds" / "sensor_temperature.toml")
    station = Thresholds(lambda key: f"resource-{key}", lambda code, keys: np.full(len(keys), np.nan), [rule])
    station.restore([(KEY, "environmental.temperature_high", ""), (KEY, "some.other_alarm", "")])
    codes = np.full(2, rule.metric.code, np.uint8)
    times = np.array([S, 61 * S], np.int64)
    events = station.events(np.full(2, KEY, np.uint64), codes, times, np.array([40.0, 41.0]))
    assert [(e.resource, e.severity, e.time_ns) for e in events] == [(f"resource-{KEY}", "cleared", 61 * S)]


def test_ten_thousand_quiet_series_leave_no_state() -> None:
    rule = thresholds.read(data_dir("config") / "thresholds" / "sensor_temperature.toml")
    keys = np.arange(10_000, dtype=np.uint64)
    value = np.where(keys == 42, 90.0, 30.0)
    assert rule.changes(keys, np.full(10_000, S, np.int64), value, lambda code, k: np.full(len(k), np.nan)) == []
    assert list(rule.followed) == [42]
