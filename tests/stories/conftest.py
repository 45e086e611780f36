"""One running demo for every story: it has a poisoned device, and 35 days behind it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stories.demo_process import SIZE, DemoProcess, up, wait_for


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoProcess]:
    """Each story leaves the network whole and looks only at what it broke."""
    folder: Path = tmp_path_factory.mktemp("demo")
    running = DemoProcess(folder / "data", "--no-script", "--poisoned").start()
    try:
        running.sign_in()
        wait_for("every device answers", lambda: up(running) == SIZE, 90)
        wait_for("the links", lambda: len(running.get("/api/v1/topology")["links"]) > SIZE, 30)
        yield running
    finally:
        running.stop()
