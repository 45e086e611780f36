"""net-snmp's own agent as a peer: v1/v2c community and one v3 user per algorithm."""

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from collectors.codecs.snmp import Version, decode
from collectors.codecs.usm import Auth, Priv
from collectors.snmp.credentials import SnmpCredential
from simulator.certificates import Authority
from tests.ports import UDP, free_port

AUTH_PASSWORD = "authentic-1234"
PRIV_PASSWORD = "private-5678"
_NET_SNMP_AUTH = {
    Auth.MD5: "MD5",
    Auth.SHA1: "SHA",
    Auth.SHA224: "SHA-224",
    Auth.SHA256: "SHA-256",
    Auth.SHA384: "SHA-384",
    Auth.SHA512: "SHA-512",
}
_NET_SNMP_PRIV = {Priv.DES: "DES", Priv.AES128: "AES", Priv.AES192: "AES-192", Priv.AES256: "AES-256"}
USERS = [(auth, priv) for auth in Auth for priv in (None, *_NET_SNMP_PRIV)]


@dataclass(frozen=True)
class Peer:
    address: str
    port: int

    def user(self, auth: Auth | None, priv: Priv | None) -> SnmpCredential:
        return SnmpCredential(
            version="3",
            user=user_name(auth, priv),
            auth_protocol=auth or "",
            auth_password=AUTH_PASSWORD,
            priv_protocol=priv or "",
            priv_password=PRIV_PASSWORD,
        )


PUBLIC = SnmpCredential(community="public")


def user_name(auth: Auth | None, priv: Priv | None) -> str:
    return "-".join(part for part in ("user", auth, priv) if part)


def need(program: str, package: str) -> str:
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if path is None:
        pytest.fail(f"{program} is missing: apt-get install {package}")
    return path


def certificates(folder: Path) -> Path:
    """A certificate authority with one server and one client, as files; the authority's."""
    authority = Authority(folder, datetime.now(UTC))
    for name in ("server", "client"):
        made = authority.identity(cast("Any", SimpleNamespace(name=name, address="127.0.0.1")))
        (folder / f"{name}.key").write_bytes(made.key)
        (folder / f"{name}.crt").write_bytes(made.certificate)
    return authority.file


def _configuration(port: int) -> str:
    lines = [
        f"agentaddress udp:127.0.0.1:{port}",
        "rocommunity public 127.0.0.1",
        "sysName peer-1",
        "sysLocation Hamburg",
        "createUser user",
        "rouser user noauth",
    ]
    for auth, priv in USERS:
        privacy = f" {_NET_SNMP_PRIV[priv]} {PRIV_PASSWORD}" if priv else ""
        lines.append(f"createUser {user_name(auth, priv)} {_NET_SNMP_AUTH[auth]} {AUTH_PASSWORD}{privacy}")
        lines.append(f"rouser {user_name(auth, priv)} {'priv' if priv else 'auth'}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="session")
def snmpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """A running agent with its state in a folder of its own."""
    program = need("snmpd", "snmpd")
    folder = tmp_path_factory.mktemp("snmpd")
    port = free_port(UDP)
    (folder / "snmpd.conf").write_text(_configuration(port))
    command = [program, "-f", "-Lf", str(folder / "log"), "-C", "-c", str(folder / "snmpd.conf"), "-p", str(folder / "pid"), "-I", "-smux"]
    agent = subprocess.Popen(command, env={"SNMP_PERSISTENT_DIR": str(folder / "state"), "PATH": "/usr/bin"}, stderr=subprocess.DEVNULL)
    try:
        _wait_ready(port, agent, folder)
        yield Peer("127.0.0.1", port)
    finally:
        agent.terminate()
        agent.wait(10)


_PROBE = bytes.fromhex("302602010104067075626c6963a019020401020304020100020100300b300906052b060102010500")


def _wait_ready(port: int, agent: "subprocess.Popen[bytes]", folder: Path) -> None:
    deadline = time.monotonic() + 10
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.2)
        while time.monotonic() < deadline and agent.poll() is None:
            try:
                probe.sendto(_PROBE, ("127.0.0.1", port))
                assert decode(probe.recv(65535)).version is Version.V2C
                return
            except OSError:
                continue
    pytest.fail(f"snmpd did not answer: {(folder / 'log').read_text()[-500:]}")


async def until(condition: "object", deadline_s: float = 10.0) -> None:
    """Wait until `condition()` is true; fail after the deadline."""
    assert callable(condition)
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.01)
