"""The station's gNMI input against the simulator's targets: over TLS from their counters to our batches."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from simulator.certificates import Authority
from station.catalogue import code_of
from tests.peers.simulator.conftest import Running

pytestmark = pytest.mark.slow

WITHIN_S = 60
ALERT_OCTETS = 19  # RFC 8446: two of an alert, its type, and the tag
IN_OCTETS, OPER_STATUS = code_of("interface.in_octets"), code_of("interface.oper_status")
PORT_1 = 7 << 24 | 1 << 8


@pytest.fixture(scope="module")
def target(start: Callable[..., Running]) -> Running:
    return start("--gnmi-devices", "1")


class Station:
    """What the input's process said, and what it logged."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process, self.said, self.logged = process, list[dict[str, Any]](), list[str]()
        self.threads = [threading.Thread(target=self._read, daemon=True), threading.Thread(target=self._log, daemon=True)]
        for thread in self.threads:
            thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            found = self.said if line.startswith("{") else self.logged
            found.append(json.loads(line) if line.startswith("{") else line)  # type: ignore[arg-type]

    def _log(self) -> None:
        assert self.process.stderr is not None
        self.logged.extend(self.process.stderr)

    def rows(self, metric: int) -> list[tuple[int, int, float | None]]:
        """(raw, width, value) of port 1's samples of a metric, in order."""
        found = []
        for batch in self.said:
            columns = zip(batch["series"], batch["raw"], batch["width"], batch["value"], strict=True)
            found += [(raw, width, value) for series, raw, width, value in columns if series == PORT_1 | metric]
        return found

    def wait(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WITHIN_S
        while not holds():
            assert self.process.poll() is None, self.logged
            assert time.monotonic() < deadline, f"{what}: {self.logged[-5:]} {self.said[-1:]}"
            time.sleep(0.05)


@contextmanager
def station(address: str, port: int, ca_file: Path, *login: str, name: str = "") -> Iterator[Station]:
    command = [sys.executable, "-m", "tests.peers.collectors.gnmi_station", address, str(port), str(ca_file), name, *login]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"GRPC_VERBOSITY": "NONE"}
    )
    made = Station(process)
    try:
        yield made
    finally:
        process.terminate()
        process.wait(10)
        for thread in made.threads:
            thread.join(5)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def test_a_targets_counters_and_states_become_samples(target: Running) -> None:
    gnmi = target.ready["gnmi"]
    with station(gnmi["addresses"][0], gnmi["port"], Path(gnmi["ca_file"]), "trunkline", "simulated-network") as ours:
        ours.wait("two samples", lambda: len(ours.rows(IN_OCTETS)) >= 2)
        ours.wait("sync", lambda: bool(ours.said) and ours.said[-1]["covered"] == [7])
        (first, width, value), (second, *_) = ours.rows(IN_OCTETS)[:2]
        assert (width, value) == (64, None)
        assert 10**12 < first < second
        assert ours.rows(OPER_STATUS)[0][1:] == (0, 1.0)
        target.ask("/cut", {"kind": "link", "a": "ham-core-1", "b": "ber-core-1"})
        ours.wait("the cut", lambda: ours.rows(OPER_STATUS)[-1][2] == 2.0)
        target.ask("/restore", {"kind": "link", "a": "ham-core-1", "b": "ber-core-1"})
        ours.wait("the restored link", lambda: ours.rows(OPER_STATUS)[-1][2] == 1.0)


def test_a_wrong_password_gives_nothing_and_is_tried_again(target: Running) -> None:
    gnmi = target.ready["gnmi"]
    with station(gnmi["addresses"][0], gnmi["port"], Path(gnmi["ca_file"]), "trunkline", "wrong") as ours:
        ours.wait("the refusal", lambda: any("unauthenticated" in line for line in ours.logged))
        assert ours.said == []


class Listener:
    """Passes a connection on to the target and keeps what the client sent."""

    def __init__(self, address: str, port: int) -> None:
        self.heard, self._to = bytearray(), (address, port)
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.sock.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.create_connection(self._to)
            threading.Thread(target=self._pass, args=(client, server, self.heard), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, None), daemon=True).start()

    def _pass(self, source: socket.socket, to: socket.socket, heard: bytearray | None) -> None:
        try:
            while octets := source.recv(65_536):
                if heard is not None:
                    heard += octets
                to.sendall(octets)
        except OSError:
            pass
        finally:
            source.close()
            to.close()


def octets_of_data(heard: bytes) -> int:
    """How long a client's encrypted records are (RFC 8446, 5.1: type 23), its Finished and alerts among them."""
    at = n = 0
    while at + 5 <= len(heard):
        length = int.from_bytes(heard[at + 3 : at + 5])
        n += length if heard[at] == 23 else 0
        at += 5 + length
    return n


def test_a_wrong_authority_is_refused_before_anything_is_sent(target: Running, tmp_path: Path) -> None:
    gnmi = target.ready["gnmi"]
    login = ("trunkline", "simulated-network")
    wrong = Authority(tmp_path, datetime.now(UTC)).file
    listener, other = (Listener(gnmi["addresses"][0], gnmi["port"]) for _ in range(2))
    with station("127.0.0.1", listener.sock.getsockname()[1], wrong, *login, name="ham-core-1") as ours:
        ours.wait("a refusal", lambda: any("unavailable" in line for line in ours.logged))
        assert ours.said == []
    with station("127.0.0.1", other.sock.getsockname()[1], Path(gnmi["ca_file"]), *login, name="ham-core-1") as ours:
        ours.wait("a sample by the right authority", lambda: bool(ours.said))
    for each in (listener, other):
        each.sock.close()
    assert listener.connections >= 1
    assert octets_of_data(bytes(listener.heard)) <= ALERT_OCTETS * listener.connections
    assert octets_of_data(bytes(other.heard)) > 10 * ALERT_OCTETS
