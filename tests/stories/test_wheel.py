"""The wheel holds everything: installed in an empty environment outside the checkout, it runs the demo."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.stories.demo_process import ROOT, DemoProcess, wait_for


@pytest.mark.slow
@pytest.mark.timeout(360)
def test_the_installed_wheel_runs_the_demo_outside_the_checkout(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True)
    # The pinned libraries are those of the environment the tests run in; Trunkline itself is only in the wheel.
    packages = next((tmp_path / "venv" / "lib").glob("python*")) / "site-packages"
    (packages / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    where = subprocess.run(
        [python, "-c", "import station; print(station.__file__)"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert str(tmp_path) in where.stdout
    demo = DemoProcess(tmp_path / "data", "--no-script", "--no-history", python=os.fspath(python), cwd=tmp_path)
    try:
        demo.start().sign_in()
        wait_for("devices", lambda: len(demo.get("/api/v1/topology")["nodes"]) == 60, 60)
        assert demo.client.get("/alarms").status_code == 200
    finally:
        demo.stop()
