"""The simulator as a process: its remote control, its limits, and that it ends with its parent."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error

import pytest

from tests.peers.simulator.conftest import TOKEN, Running
from tests.ports import UDP, free_port

pytestmark = pytest.mark.slow


def test_what_is_cut_can_be_put_back(simulator: Running) -> None:
    assert simulator.ask("/state")["broken"] == []
    simulator.ask("/cut", {"kind": "link", "a": "ham-agg-1:xe-0/0/0", "b": "ham-core-1:xe-0/0/0"})
    simulator.ask("/cut", {"kind": "device", "name": "fra-acc-2"})
    state = simulator.ask("/state")
    assert [broken["name"] for broken in state["broken"]] == ["ham-core-1 - ham-agg-1", "fra-acc-2"]
    assert state["unreachable"] == ["fra-acc-2"]
    simulator.ask("/restore", {"kind": "link", "a": "ham-agg-1", "b": "ham-core-1"})
    simulator.ask("/restore", {"kind": "device", "name": "fra-acc-2"})
    texts = [event["text"] for event in simulator.ask("/events")["items"]]
    assert texts[-4:] == [
        "Link ham-agg-1:xe-0/0/0 - ham-core-1:xe-0/0/0 is cut",
        "Device fra-acc-2 is cut",
        "Link ham-agg-1 - ham-core-1 is put back",
        "Device fra-acc-2 is put back",
    ]
    assert simulator.ask(f"/events?after={len(texts)}") == {"items": [], "next": len(texts)}


@pytest.mark.parametrize(
    ("path", "body", "token", "status"),
    [
        ("/state", None, "wrong", 401),
        ("/nothing", None, TOKEN, 404),
        ("/story", {"name": "no such story"}, TOKEN, 404),
        ("/cut", {"kind": "device", "name": "muc-core-1"}, TOKEN, 404),
        ("/cut", {"kind": "link", "a": "ham-core-1"}, TOKEN, 404),
        ("/cut", {"kind": "planet", "name": "earth"}, TOKEN, 404),
    ],
)
def test_a_wrong_request_is_refused(simulator: Running, path: str, body: dict[str, str] | None, token: str, status: int) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        simulator.ask(path, body, token)
    with caught.value as answer:
        assert answer.status == status
        assert json.load(answer)["detail"]


@pytest.mark.parametrize(
    "noise", [b"\r\n\r\n", b"GET\r\n\r\n", b"POST /cut HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"\x16\x03\x01" * 9000]
)
def test_noise_on_the_control_port_is_answered_and_harms_nothing(simulator: Running, noise: bytes) -> None:
    with socket.create_connection(("127.0.0.1", simulator.ready["control_port"]), 5) as sock:
        sock.sendall(noise)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(64)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 413")
    assert simulator.ask("/state")["simulated"]


@pytest.mark.parametrize("target", ["192.0.2.1:162", "8.8.8.8:162", "localhost:162", "127.0.0.1", "127.0.0.1:0", "[::1]:162"])
def test_targets_outside_loopback_are_refused(target: str) -> None:
    done = subprocess.run([sys.executable, "-m", "simulator", "--trap", target], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert target in done.stderr


def test_an_address_that_is_taken_ends_it_with_a_reason() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.64.1.1", 0))
        port = sock.getsockname()[1]
        done = subprocess.run([sys.executable, "-m", "simulator", "--port", str(port)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "in use" in done.stderr


def test_it_ends_with_its_parent() -> None:
    port = free_port(UDP)
    program = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-m', 'simulator', '--size', '24', '--port', '{port}', '--no-script'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert json.loads(parent.stdout.readline())["ready"]
        parent.kill()
    deadline = time.monotonic() + 10
    while running(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def running(pid: int) -> bool:
    """Whether a process still does something (a zombie does not)."""
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
