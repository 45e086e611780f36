"""What a collector polls and with which credentials: as the station last said, kept on disk with the secrets sealed."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from collectors.snmp.credentials import SnmpCredential
from inventory.shares import Document, digest_of, digest_over, picture_of
from inventory.topology import Topology
from station.bus.columns import BlockError
from station.bus.keys import Keys, SealError
from station.bus.notices import packed, unpacked
from station.metrics import gauge
from station.security.vault import LOGIN, SNMP

FILE: Final = "targets"
TARGETS = gauge("collector_targets", "Devices that the station gave to this collector.")
log = structlog.get_logger("collector")


class Targets:
    """`topology` and the credentials are what the inputs read; `take` makes a part of what the station says true."""

    def __init__(self, folder: Path, keys: Keys) -> None:
        self._path, self._keys = folder / FILE, keys
        self._documents: dict[int, Document] = {}
        self.digests: dict[int, str] = {}
        self.tag, self._sealed = "", ""
        self._secrets: dict[str, dict[str, Any]] = {}
        self.ranges: Sequence[str] = ()
        self.tried: Sequence[str] = ()
        self._topology = Topology()
        self._load()

    def topology(self) -> Topology:
        return self._topology

    @property
    def digest(self) -> str:
        return digest_over(self.digests)

    def credential(self, name: str) -> SnmpCredential | None:
        found = self._secrets.get(f"{SNMP}{name}")
        return SnmpCredential(**{**found, "name": name}) if found else None

    def credentials(self) -> list[SnmpCredential]:
        """Those that discovery tries."""
        return [found for name in self.tried if (found := self.credential(name)) is not None]

    def login(self, name: str) -> Mapping[str, str]:
        return {key: str(value) for key, value in self._secrets.get(f"{LOGIN}{name}", {}).items()}

    def take(self, said: Mapping[str, Any]) -> None:
        """One answer to `sync`: devices that are other or new, numbers that are gone, secrets where they changed."""
        for no in said["gone"]:
            self._documents.pop(int(no), None)
            self.digests.pop(int(no), None)
        for one in said["devices"]:
            no = int(one["device"]["no"])
            self._documents[no], self.digests[no] = one, digest_of(one)
        if said.get("sealed"):
            self._open(said["sealed"], said["tag"])
        self._replace(self._topology.version + 1)

    def look_for(self, ranges: Sequence[str], tried: Sequence[str]) -> None:
        """Where to discover, and with which credentials."""
        if (list(ranges), list(tried)) != (list(self.ranges), list(self.tried)):
            self.ranges, self.tried = ranges, tried
            self.save()

    def save(self) -> None:
        """Keep it for a start while the station cannot be reached."""
        kept = {"documents": list(self._documents.values()), "sealed": self._sealed, "tag": self.tag}
        fresh = self._path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_bytes(packed(kept | {"ranges": list(self.ranges), "tried": list(self.tried)}))
        fresh.replace(self._path)

    def _load(self) -> None:
        if not self._path.exists():
            return
        try:
            kept = unpacked(self._path.read_bytes())
            self.ranges, self.tried = kept["ranges"], kept["tried"]
            self.take({"gone": (), "devices": kept["documents"], "sealed": kept["sealed"], "tag": kept["tag"]})
        except (BlockError, SealError, KeyError, TypeError) as error:
            log.warning("the kept targets cannot be read; the station is asked for all", error=str(error)[:200])

    def _open(self, sealed: str, tag: str) -> None:
        self._secrets = json.loads(self._keys.open(base64.b64decode(sealed)))
        self._sealed, self.tag = sealed, tag

    def _replace(self, version: int) -> None:
        self._topology = picture_of(self._documents, version)
        TARGETS.set(len(self._documents))
