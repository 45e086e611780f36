"""A NETCONF server over SSH: paramiko's server in front, behind it Debian's netconfd, or a program of the test's own."""

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko  # type: ignore[import-untyped]
import pytest

LOGIN = {"username": "station", "password": "fifteen-characters"}


class Door(paramiko.ServerInterface):  # type: ignore[misc]
    """Lets one user in by password and remembers every password it was shown."""

    def __init__(self, shown: list[str]) -> None:
        self.shown, self.subsystem = shown, threading.Event()

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        self.shown.append(password)
        right = {"username": username, "password": password} == LOGIN
        return int(paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)

    def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:
        self.subsystem.set()
        return name == "netconf"


class SshServer:
    """Each session's channel is joined to a process of `command`."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.key = paramiko.ECDSAKey.generate(bits=256)
        self.shown: list[str] = []
        self.sessions = 0
        self._command, self._environment = command, environment
        self._transports: list[paramiko.Transport] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Every session ends without a goodbye."""
        for transport in self._transports:
            transport.close()

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        transport = paramiko.Transport(connection)
        transport.add_server_key(self.key)
        self._transports.append(transport)
        door = Door(self.shown)
        try:
            transport.start_server(server=door)
        except (paramiko.SSHException, EOFError, OSError):
            return
        channel = transport.accept(10)
        if channel is None or not door.subsystem.wait(10):
            transport.close()
            return
        self.sessions += 1
        environment = {**os.environ, **self._environment, "SSH_CONNECTION": f"127.0.0.1 40000 127.0.0.1 {830}", "USER": "root"}
        with subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
            _join(channel, process)
        transport.close()


def _join(channel: paramiko.Channel, process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None and process.stdout is not None

    def inward() -> None:
        assert process.stdin is not None
        with suppress(OSError):
            while data := channel.recv(65536):
                process.stdin.write(data)
                process.stdin.flush()
        process.terminate()

    threading.Thread(target=inward, daemon=True).start()
    with suppress(OSError, EOFError):
        while data := os.read(process.stdout.fileno(), 65536):
            channel.sendall(data)


@contextmanager
def netconfd(folder: Path) -> Iterator[SshServer]:
    """netconfd with ietf-interfaces in a network namespace of its own, whose loopback and veth pair it really reads and sets."""
    for program in ("netconfd", "netconf-subsystem"):
        if shutil.which(program, path="/usr/sbin") is None:
            pytest.fail(f"{program} is missing: apt-get install netconfd netconfd-module-ietf-interfaces netconfd-module-ietf-system")
    addresses = folder / "get-interface-ipv4"  # netconfd calls it and does not ship it
    addresses.write_text("#!/bin/sh\nexit 0\n")
    addresses.chmod(0o755)
    sock = folder / "sock"
    arguments = f"--module=ietf-interfaces --module=ietf-system --port=830 --ncxserver-sockname={sock} --superuser=root --target=candidate"
    links = "ip link set lo up; ip link add v1 type veth peer name v2; ip link set v1 up; ip link set v2 up"
    inside = f"mount -t sysfs sysfs /sys; {links}; exec netconfd {arguments} --no-startup"
    path = f"{folder}:/usr/sbin:/sbin:{os.environ['PATH']}"
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(["unshare", "-n", "-m", "sh", "-c", inside], stdout=log, stderr=log, env={**os.environ, "PATH": path})
    server = SshServer(["/usr/sbin/netconf-subsystem", f"--ncxserver-sockname=830@{sock}"], {})
    try:
        deadline = time.monotonic() + 15
        while not sock.exists():
            assert time.monotonic() < deadline and daemon.poll() is None, (folder / "log").read_text()[-1000:]
            time.sleep(0.05)
        yield server
    finally:
        server.close()
        daemon.terminate()
        daemon.wait(10)
