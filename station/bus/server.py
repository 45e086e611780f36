"""A nats-server of the station's own: its certificates, its users, and the process, which ends with the station.

The users stand in a file of their own, `users.conf`, which the servers of a cluster can include too. A collector's line
has its public nkey only, and lets it speak on its own subjects and be answered in its own inbox.
"""

import asyncio
import contextlib
import json
import os
import re
import secrets
import shutil
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Self

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from station.bus import subjects
from station.bus.link import Login
from station.bus.settings import BusSettings
from station.metrics import counter
from station.parent import die_with_parent

BUS_SERVER_RESTARTS = counter("bus_server_restarts", "How often the station's own nats-server had to be started again.")
PROGRAM: Final = "nats-server"
PAYLOAD_MAX: Final = 8 << 20
CERTIFICATE_DAYS: Final = 3_650
FIRST_DELAY_S: Final = 0.2
LONGEST_DELAY_S: Final = 10.0
STOP_S: Final = 10.0
SYNC_ALWAYS_SINCE: Final = (2, 10)
log = structlog.get_logger("bus")


class BusFolder:
    """The files of the bus in the data folder, readable by the station's user only."""

    def __init__(self, folder: Path, settings: BusSettings) -> None:
        self.path, self.settings = folder / "bus", settings
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.users = self.path / "users.conf"
        self.config = self.path / "server.conf"
        self.pid = self.path / "server.pid"

    def login(self) -> Login:
        """The station's own."""
        settings = self.settings
        if settings.url:
            ca = settings.ca_file.read_text() if settings.ca_file else ""
            password = settings.password_file.read_text().strip() if settings.password_file else self.password(subjects.STATION_USER)
            return Login(settings.url, subjects.STATION_USER, ca, password)
        return Login(self._url("127.0.0.1"), subjects.STATION_USER, self.ca(), self.password(subjects.STATION_USER))

    def outward(self) -> Login:
        """How a collector reaches the bus for the first time."""
        url = self.settings.url or ",".join(map(self._url, self.settings.hosts))
        return Login(url, subjects.ENROL_USER, self.login().ca, self.password(subjects.ENROL_USER))

    def _url(self, host: str) -> str:
        host = f"[{host}]" if ":" in host else host
        return f"{'tls' if self.settings.tls else 'nats'}://{host}:{self.settings.port}"

    def password(self, user: str) -> str:
        """A random one, made when it is first asked for."""
        path = self.path / f"{user}.password"
        if not path.exists():
            _write(path, secrets.token_urlsafe(32))
        return path.read_text()

    def ca(self) -> str:
        """The authority of the station's own server, "" without TLS; made, with the server's certificate, when it is first asked for."""
        if not self.settings.tls:
            return ""
        path = self.path / "ca.pem"
        if not path.exists():
            authority, certificate, key = certificates(self.settings.hosts)
            _write(self.path / "server.key", key)
            _write(self.path / "server.pem", certificate)
            _write(path, authority)
        return path.read_text()

    def write_users(self, collectors: Iterable[tuple[str, str]]) -> bool:
        """Write who may use the bus: (id, public nkey) of each collector. Whether that is news."""
        users = [
            {"user": subjects.STATION_USER, "password": self.password(subjects.STATION_USER)},
            {
                "user": subjects.ENROL_USER,
                "password": self.password(subjects.ENROL_USER),
                "permissions": _permissions([subjects.ENROL], subjects.ENROL_USER),
            },
            *({"nkey": key, "permissions": collector_permissions(name)} for name, key in sorted(collectors)),
        ]
        text = f"authorization: {json.dumps({'users': users}, indent=1)}\n"
        if self.users.exists() and self.users.read_text() == text:
            return False
        _write(self.users, text)
        return True

    def write_config(self, version: tuple[int, ...]) -> None:
        settings = self.settings
        jetstream: dict[str, Any] = {"store_dir": str(self.path / "jetstream"), "max_file_store": settings.stream_mb * 3 << 20}
        if version >= SYNC_ALWAYS_SINCE:
            jetstream["sync_interval"] = "always"
        config: dict[str, Any] = {
            "server_name": "trunkline",
            "host": settings.listen,
            "port": settings.port,
            "pid_file": str(self.pid),
            "max_payload": PAYLOAD_MAX,
            "jetstream": jetstream,
        }
        if settings.tls:
            self.ca()
            config["tls"] = {"cert_file": str(self.path / "server.pem"), "key_file": str(self.path / "server.key")}
        lines = [f"{name}: {json.dumps(value)}" for name, value in config.items()]
        _write(self.config, "\n".join([*lines, f"include {self.users.name}", ""]))


class BusServer:
    """The server as a context; without an address to listen on there is none. `reload` makes it read the users again."""

    def __init__(self, folder: BusFolder) -> None:
        self._folder, self._settings = folder, folder.settings
        self._process: Process | None = None
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._settings.listen:
            self._folder.write_config(await version())
            await self._start()
            self._watch = asyncio.create_task(self._keep_alive(), name="nats-server")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        process = self._process
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_S)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def reload(self) -> None:
        """Make the users file count: who is no longer in it is cut off at once."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGHUP)
        elif self._settings.reload_command:
            process = await asyncio.create_subprocess_exec(*self._settings.reload_command, stdin=DEVNULL)
            if await process.wait():
                log.error("the reload command of the bus failed", exit=process.returncode)

    async def _start(self) -> None:
        arguments = (PROGRAM, "--config", str(self._folder.config))
        tied = partial(die_with_parent, os.getpid(), signal.SIGTERM)
        self._process = await asyncio.create_subprocess_exec(*arguments, stdin=DEVNULL, stderr=DEVNULL, preexec_fn=tied)

    async def _keep_alive(self) -> None:
        delay_s = FIRST_DELAY_S
        while True:
            assert self._process is not None
            code = await self._process.wait()
            BUS_SERVER_RESTARTS.inc()
            log.error("the bus's server ended", exit=code, again_in_s=delay_s)
            await asyncio.sleep(delay_s)
            await self._start()
            delay_s = min(2 * delay_s, LONGEST_DELAY_S)


async def version() -> tuple[int, ...]:
    """Of the nats-server that is installed; OSError when none is."""
    if shutil.which(PROGRAM) is None:
        raise OSError(f"{PROGRAM} is not installed: install it, or name a cluster in [bus] url")
    process = await asyncio.create_subprocess_exec(PROGRAM, "--version", stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    found = re.search(rb"v(\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else ()


def collector_permissions(collector: str) -> Mapping[str, Any]:
    """A collector speaks on subjects that end with its id, and answers what it is asked there."""
    speaks = [subjects.subject(kind, collector) for kind in (*subjects.KINDS, "beat", "sync")]
    allowed = _permissions(speaks, collector)
    return {**allowed, "subscribe": [*allowed["subscribe"], subjects.subject("ask", collector)], "allow_responses": True}


def _permissions(speaks: list[str], user: str) -> dict[str, Any]:
    return {"publish": speaks, "subscribe": [f"{subjects.inbox(user)}.>"]}


def certificates(hosts: Iterable[str]) -> tuple[str, str, str]:
    """(authority, server's certificate, its key) in PEM. The authority's key is not kept: it signs this one certificate."""
    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Trunkline bus")])
    names = x509.SubjectAlternativeName([_name(host) for host in dict.fromkeys((*hosts, "127.0.0.1", "localhost"))])
    authority = _builder(name, name, authority_key.public_key()).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    server_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Trunkline bus server")])
    server = _builder(server_name, name, server_key.public_key()).add_extension(names, critical=False)
    made = [builder.sign(authority_key, SHA256()).public_bytes(Encoding.PEM).decode() for builder in (authority, server)]
    return made[0], made[1], server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    return builder.not_valid_after(now + timedelta(days=CERTIFICATE_DAYS))


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write(path: Path, text: str) -> None:
    """Replace a file whole; only its owner can read it."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(path)
