"""The Grafana dashboards ask only for metrics that we serve, and are written where Grafana looks."""

import json
import re
from pathlib import Path

import pytest

from dashboards.grafana import dashboards, export
from station.catalogue import metrics_by_code

SERVED = {f"trunkline_{metric.prometheus}" for metric in metrics_by_code().values()}


@pytest.mark.parametrize("name", list(dashboards()))
def test_a_dashboard_asks_only_for_what_is_served(name: str) -> None:
    board = dashboards()[name]
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked = {found for text in expressions for found in re.findall(r"trunkline_\w+", text)}
    assert asked and asked <= SERVED
    assert board["schemaVersion"] == 42
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in board["panels"])


def test_panels_do_not_overlap_and_have_their_own_ids() -> None:
    for board in dashboards().values():
        cells = [
            (x, y)
            for grid in (panel["gridPos"] for panel in board["panels"])
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        ]
        assert len(cells) == len(set(cells))
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_the_export_holds_dashboards_and_provisioning(tmp_path: Path) -> None:
    written = export(tmp_path)
    boards = [json.loads(path.read_text()) for path in written if path.suffix == ".json"]
    assert boards == list(dashboards().values())
    assert str(tmp_path / "dashboards") in (tmp_path / "provisioning/dashboards/trunkline.yaml").read_text()
    assert (tmp_path / "provisioning/datasources/trunkline.yaml").is_file()
