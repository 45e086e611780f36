"""Who a collector is: its id, where the bus is and whom it trusts there, and its keys. One file, for its owner's eyes."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from station.bus import subjects
from station.bus.keys import Keys
from station.bus.link import Login, connect
from station.bus.notices import packed, unpacked
from station.bus.registry import RegistryError, invited

FILE: Final = "collector.json"
ENROL_S: Final = 30.0


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
        answer = unpacked((await client.request(subjects.ENROL, packed(asked), timeout=ENROL_S)).data)
    finally:
        await client.close()
    if "refused" in answer:
        raise RegistryError(str(answer["refused"]))
    identity = Identity(answer["id"], answer["name"], answer["vrf"], said["url"], said["ca"], keys)
    save(folder, identity)
    return identity


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
