"""Grafana dashboards over our own metric names, and how they are put where Grafana finds them.

The dashboards are files (classic JSON, schemaVersion 42) with the datasource as a variable.
"""

import json
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent

_DASHBOARDS_YAML = """apiVersion: 1
providers:
  - name: trunkline
    folder: Trunkline
    type: file
    options:
      path: {folder}
"""
_DATASOURCES_YAML = """apiVersion: 1
datasources:
  - name: Trunkline Prometheus
    type: prometheus
    access: proxy
    url: $TRUNKLINE_PROMETHEUS_URL
"""


def dashboards() -> dict[str, dict[str, Any]]:
    """Every dashboard by its file name."""
    return {path.name: json.loads(path.read_text()) for path in sorted((_HERE / "files").glob("*.json"))}


def export(folder: Path) -> list[Path]:
    """Write dashboards and provisioning files below `folder`; return what was written."""
    files = {Path("dashboards") / name: json.dumps(board, indent=2) + "\n" for name, board in dashboards().items()}
    provisioning = Path("provisioning")
    files[provisioning / "dashboards" / "trunkline.yaml"] = _DASHBOARDS_YAML.format(
        folder=json.dumps(str((folder / "dashboards").resolve()))
    )
    files[provisioning / "datasources" / "trunkline.yaml"] = _DATASOURCES_YAML
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return [folder / name for name in files]
