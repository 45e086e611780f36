"""The console's files, read once into memory: a request can name nothing that is not in this table."""

import gzip
import hashlib
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request, Response

from station.web import not_found

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".json": "application/json", ".txt": "text/plain"}
_IMPORT = re.compile(r"""(?:^|[;}\n])\s*(?:import|export)\b[^"'();]*?(?:from)?\s*["'](\.{1,2}/[^"']+)["']""")
_YEAR_S = 31_536_000


@dataclass(frozen=True, slots=True)
class Asset:
    body: bytes
    packed: bytes
    media_type: str


class Assets:
    """`version` is the hash of all content and part of every URL, so files may be cached for ever."""

    def __init__(self, root: Path) -> None:
        self._assets = {path.relative_to(root).as_posix(): _read(path) for path in sorted(root.rglob("*")) if path.suffix in _TYPES}
        digest = hashlib.sha256()
        for name, asset in self._assets.items():
            digest.update(name.encode() + b"\0" + asset.body)
        self.version = digest.hexdigest()[:12]

    def url(self, name: str) -> str:
        assert name in self._assets, f"no file {name}"
        return f"/static/{self.version}/{name}"

    def modules_of(self, *names: str) -> list[str]:
        """`names` and every module they import statically, in the order found: what a page preloads."""
        found: dict[str, None] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop(0)
            if name in found:
                continue
            found[name] = None
            for specifier in _IMPORT.findall(self._assets[name].body.decode()):
                waiting.append(posixpath.normpath(posixpath.join(posixpath.dirname(name), specifier)))
        return list(found)

    def packed_bytes(self, names: list[str]) -> int:
        """What `names` cost on the wire, compressed."""
        return sum(len(self._assets[name].packed) for name in names)

    def has(self, name: str) -> bool:
        return name in self._assets

    def router(self) -> APIRouter:
        router = APIRouter(include_in_schema=False)

        @router.get("/static/{version}/{name:path}")
        async def static(request: Request, version: str, name: str) -> Response:
            asset = self._assets.get(name)
            if asset is None:
                raise not_found("file")
            current = version == self.version
            headers = {"Cache-Control": f"public, max-age={_YEAR_S}, immutable" if current else "no-cache", "Vary": "Accept-Encoding"}
            if "gzip" in request.headers.get("accept-encoding", ""):
                return Response(asset.packed, media_type=asset.media_type, headers={**headers, "Content-Encoding": "gzip"})
            return Response(asset.body, media_type=asset.media_type, headers=headers)

        return router


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    return Asset(body, gzip.compress(body, 9, mtime=0), _TYPES[path.suffix])
