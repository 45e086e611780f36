"""pygnmi against the gNMI targets, in a process of its own: its messages and ours cannot be registered in one."""

import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = Path(__file__).with_name("pygnmi_checks.py")
WITHIN_S = 100


@pytest.mark.slow
def test_pygnmi_agrees_with_the_gnmi_targets() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(CHECKS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
