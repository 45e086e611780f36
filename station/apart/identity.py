"""Who a collector is: its id, where the bus is and whom it trusts there, and its keys. One file, for its owner's eyes."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nats.aio.client import Client
from nats.errors import NoRespondersError

from station.bus import subjects
from station.bus.keys import Keys
from station.bus.link import Login, close, connect
from station.bus.notices import packed, unpacked
from station.bus.registry import RegistryError, invited

FILE: Final = "collector.json"
ENROL_S: Final = 30.0
AGAIN_S: Final = 0.5


class NotEnrolledError(Exception):
    """There is no identity in this folder; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Identity:
    id: str
    name: str
    vrf: str
    url: str
    ca: str
    keys: Keys

    @property
    def login(self) -> Login:
        return Login(self.url, self.id, self.ca, keys=self.keys)


async def enrol(folder: Path, invitation: str) -> Identity:
    """Become the collector that the invitation is for; the identity is on disk on return. RegistryError, TimeoutError."""
    said, keys = invited(invitation), Keys.fresh()
    client = await connect(Login(said["url"], subjects.ENROL_USER, said["ca"], said["password"]))
    try:
        asked = {"token": said["token"], "user_key": keys.user, "box_key": keys.box.hex()}
        async with asyncio.timeout(ENROL_S):
            answer = unpacked(await _answered(client, packed(asked)))
    finally:
        await close(client)
    if "refused" in answer:
        raise RegistryError(str(answer["refused"]))
    identity = Identity(answer["id"], answer["name"], answer["vrf"], said["url"], said["ca"], keys)
    save(folder, identity)
    return identity


async def _answered(client: Client, asked: bytes) -> bytes:
    """What the station says; asked again while it does not listen."""
    while True:
        with suppress(NoRespondersError):
            return bytes((await client.request(subjects.ENROL, asked, timeout=ENROL_S)).data)
        await asyncio.sleep(AGAIN_S)


def save(folder: Path, identity: Identity) -> None:
    values: dict[str, Any] = {name: getattr(identity, name) for name in ("id", "name", "vrf", "url", "ca")}
    values |= {"signing": identity.keys.signing.hex(), "opening": identity.keys.opening.hex()}
    path = folder / FILE
    path.touch(mode=0o600)
    path.write_text(json.dumps(values, indent=1))


def load(folder: Path) -> Identity:
    """The identity of this folder; NotEnrolledError without one."""
    path = folder / FILE
    if not path.exists():
        raise NotEnrolledError(f"{path}: no such file; run `trunkline collector enrol` with an invitation of the station first.")
    values = json.loads(path.read_text())
    keys = Keys(bytes.fromhex(values["signing"]), bytes.fromhex(values["opening"]))
    return Identity(values["id"], values["name"], values["vrf"], values["url"], values["ca"], keys)
