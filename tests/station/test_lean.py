"""What a station leaves out while it loads, seen in a process of its own."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def said_by(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_nothing_is_collected_between_the_start_and_the_first_link() -> None:
    code = "import gc; from station.lean import lean, settle; lean(); print(gc.isenabled()); settle(); print(gc.isenabled())"
    assert said_by(code).split() == ["False", "True"]


def test_migrations_load_without_the_colours_of_their_errors() -> None:
    code = "import sys; from station.lean import lean; lean(); import mako.exceptions; print('pygments.lexers.python' in sys.modules)"
    assert said_by(code) == "False"
