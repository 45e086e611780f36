"""A station as its users run it: the demo as a process, signed in to over HTTP."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from tests.ports import TCP, free_port

T = TypeVar("T")
ROOT = Path(__file__).parent.parent.parent
SIZE = 60
CSRF = re.compile(r'"csrf": ?"([^"]+)"')
LINK = re.compile(r"http://127\.0\.0\.1:\d+/\S+")


def wait_for(what: str, found: Callable[[], T | None], within_s: float, every_s: float = 0.25) -> T:
    """The first answer of `found` that is not None or empty; AssertionError naming `what` after `within_s`."""
    until = time.monotonic() + within_s
    while True:
        answer = found()
        if answer:
            return answer
        assert time.monotonic() < until, f"after {within_s} s still not: {what}"
        time.sleep(every_s)


class DemoProcess:
    """`trunkline demo` with its own data and port; `start` returns when the link is printed."""

    def __init__(self, data: Path, *options: str, python: str = sys.executable, cwd: Path = ROOT) -> None:
        self.data, self.options, self.python, self.cwd = data, options, python, cwd
        self.port = free_port(TCP)
        self.process: subprocess.Popen[str] | None = None
        self.link = ""
        self.link_after_s = 0.0
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60, follow_redirects=True)

    def start(self) -> "DemoProcess":
        began = time.monotonic()
        with (self.data.parent / f"{self.data.name}.log").open("a") as log:
            self.process = subprocess.Popen(
                [self.python, "-m", "station.cli", "demo", "--data", str(self.data), "--port", str(self.port), *self.options],
                cwd=self.cwd,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            found = LINK.search(line)
            if found:
                self.link = found[0]
                break
        assert self.link, f"no link was printed; see {self.data}.log"
        self.link_after_s = time.monotonic() - began
        return self

    def sign_in(self) -> "DemoProcess":
        page = self.client.get(self.link)
        found = CSRF.search(page.text)
        assert page.status_code == 200 and found, page.text[:300]
        self.client.headers.update({"X-CSRF-Token": found[1], "Origin": f"http://127.0.0.1:{self.port}"})
        return self

    def get(self, path: str, **params: Any) -> Any:
        response = self.client.get(path, params=params)
        assert response.is_success, f"{path}: {response.status_code} {response.text[:300]}"
        return response.json()

    def post(self, path: str, body: Any) -> Any:
        response = self.client.post(path, json=body)
        assert response.is_success, f"{path}: {response.status_code} {response.text[:300]}"
        return response.json() if response.content else None

    def sends_to(self, option: str) -> tuple[str, int]:
        """Where the simulated network sends its `--trap` or `--syslog` messages."""
        assert self.process is not None
        for child in psutil.Process(self.process.pid).children(recursive=True):
            words = child.cmdline()
            if "simulator" in words and option in words:
                host, _, port = words[words.index(option) + 1].rpartition(":")
                return host, int(port)
        raise AssertionError("the simulated network does not run")

    def kill(self) -> None:
        """kill -9, the station only: its children notice by themselves."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self._close_output()

    def stop(self) -> None:
        self.client.close()
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._close_output()

    def _close_output(self) -> None:
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()

    def log(self) -> str:
        return json.dumps((self.data.parent / f"{self.data.name}.log").read_text()[-4000:])

    def whole_log(self) -> str:
        return (self.data.parent / f"{self.data.name}.log").read_text()


def up(demo: DemoProcess) -> int:
    return Counter(node["status"] for node in demo.get("/api/v1/topology")["nodes"])["up"]


def alarms(demo: DemoProcess, **wanted: str) -> list[dict[str, Any]]:
    """Active alarms whose fields have these values."""
    found = demo.get("/api/v1/alarms", state="active", limit=500)["items"]
    return [alarm for alarm in found if all(alarm[key] == value for key, value in wanted.items())]


def node_at(demo: DemoProcess, address: str) -> dict[str, Any]:
    (found,) = [device for device in demo.get("/api/v1/devices", limit=500)["items"] if device["management_address"] == address]
    return dict(found)
