"""A running simulated network, and a place where its traps arrive."""

import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.ports import TCP, UDP, free_port

TOKEN = "let-me-in"


@dataclass(frozen=True, slots=True)
class Running:
    """The simulator as a process; `trap_port` and `syslog_port` are where it sends to."""

    ready: dict[str, Any]
    trap_port: int
    syslog_port: int
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        return int(self.ready["port"])

    def ask(self, path: str, body: dict[str, Any] | None = None, token: str = TOKEN) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.ready['control_port']}{path}"
        request = urllib.request.Request(url, data, {"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=30) as response:
            answer: dict[str, Any] = json.load(response)
        return answer


def program(name: str, package: str) -> str:
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if path is None:
        pytest.fail(f"{name} is missing: apt-get install {package}")
    return path


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Running]]:
    """Start simulators with more arguments; all end with the module."""
    started: list[Running] = []

    def begin(*arguments: str) -> Running:
        folder: Path = tmp_path_factory.mktemp("simulator")
        (folder / "token").write_text(TOKEN)
        port, trap, syslog = (free_port(UDP) for _ in range(3))
        fixed = ["--size", "24", "--port", str(port), "--data", str(folder), "--control-token-file", str(folder / "token"), "--no-script"]
        gnmi = ["--gnmi-port", str(free_port(TCP)), "--gnmi-devices", "0"]
        targets = ["--trap", f"127.0.0.1:{trap}", "--syslog", f"127.0.0.1:{syslog}"]
        command = [sys.executable, "-m", "simulator", *fixed, *gnmi, *targets, *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        started.append(Running(json.loads(process.stdout.readline()), trap, syslog, process))
        return started[-1]

    yield begin
    for running in started:
        running.process.terminate()
        running.process.wait(10)
        assert running.process.stdout is not None
        running.process.stdout.close()


@pytest.fixture(scope="module")
def simulator(start: Callable[..., Running]) -> Running:
    return start()
