"""Causes learnt from history alone, against a known graph; no loop, no cause out of bursts, no file that is none."""

from pathlib import Path

import numpy as np
import pytest

from fault.learning.events import History, HistoryError, history, read_csv
from fault.learning.graph import Learnt, learn

TRUE = {("0", "1"), ("0", "2"), ("1", "3"), ("2", "3"), ("4", "5"), ("5", "6"), ("7", "6")}
DEVICES = 12


def synthetic(seed: int, immigrants: int = 900) -> History:
    """Events of a branching process on a ring of devices: each cause has an effect with chance 0.6, here or one link on."""
    chance = np.random.default_rng(seed)
    rows: list[tuple[str, str, float]] = []
    for _ in range(immigrants):
        waiting = [(int(chance.integers(DEVICES)), str(chance.integers(8)), float(chance.uniform(0, 200_000)))]
        while waiting:
            device, kind, at = waiting.pop()
            rows.append((str(device), kind, at))
            for cause, effect in TRUE:
                if cause == kind and chance.random() < 0.6:
                    step = int(chance.integers(-1, 2))
                    waiting.append(((device + step) % DEVICES, effect, at + float(chance.exponential(20.0))))
    return history(rows, [(str(n), str((n + 1) % DEVICES)) for n in range(DEVICES)])


def edges(found: Learnt) -> set[tuple[str, str]]:
    return {(edge.cause, edge.effect) for edge in found.edges}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_known_graph_is_found_again(seed: int) -> None:
    found = edges(learn(synthetic(seed)))
    right = len(found & TRUE)
    assert right / len(TRUE) >= 0.85, f"recall of {sorted(TRUE - found)}"
    assert right / max(1, len(found)) >= 0.85, f"precision: {sorted(found - TRUE)}"


def test_evidence_says_how_many_how_far_and_how_long_after() -> None:
    found = learn(synthetic(3, 400))
    edge = max((each for each in found.edges if (each.cause, each.effect) == ("0", "1")), key=lambda each: each.score)
    here, beside, _ = edge.explained
    assert beside > here > 0 and edge.score > 0
    assert found.lag_s == 20.0 and 5 < edge.lags_s[1] < 40


def test_two_classes_that_always_come_together_make_no_loop() -> None:
    chance = np.random.default_rng(7)
    rows = [("1", kind, t + float(chance.exponential(5.0))) for t in range(0, 60_000, 200) for kind in ("a", "b", "a", "b", "c")]
    found = learn(history(rows)).edges
    matrix = learn(history(rows)).matrix()
    assert np.trace(np.linalg.matrix_power(matrix, 2)) == np.trace(np.linalg.matrix_power(matrix, 3)) == 0
    assert len({frozenset((edge.cause, edge.effect)) for edge in found}) == len(found)


def test_classes_that_know_nothing_of_each_other_have_no_edge() -> None:
    chance = np.random.default_rng(9)
    rows = [(str(chance.integers(5)), str(chance.integers(6)), float(chance.uniform(0, 500_000))) for _ in range(1500)]
    assert learn(history(rows)).edges == ()


def test_the_same_history_gives_the_same_graph_and_nothing_gives_none() -> None:
    assert learn(synthetic(5, 150)) == learn(synthetic(5, 150))
    assert learn(history([])).edges == learn(history([("1", "a", 1.0)])).edges == ()


def test_public_alarm_sets_are_read_with_their_matrix(tmp_path: Path) -> None:
    alarms, matrix = tmp_path / "alarm.csv", tmp_path / "topology.npy"
    alarms.write_text("alarm_id,device_id,start_timestamp,end_timestamp\n1,0,5,9\n0,2.0,1,2\n")
    np.save(matrix, np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]))
    found = read_csv(alarms, matrix)
    assert (found.devices, found.kinds, found.time_s.tolist()) == (("0", "1", "2"), ("0", "1"), [1.0, 5.0])
    assert found.links == {(0, 1), (1, 2)}


@pytest.mark.parametrize(
    "text",
    ["", "alarm_id,device_id\n1,2\n", "alarm_id,device_id,start_timestamp\n1,2,soon\n", "alarm_id,device_id,start_timestamp\n1,2,nan\n"],
)
def test_a_file_that_is_no_history_says_why(tmp_path: Path, text: str) -> None:
    file = tmp_path / "alarm.csv"
    file.write_text(text)
    with pytest.raises(HistoryError, match=r"alarm\.csv"):
        read_csv(file)
