"""Secrets the station must send on (SNMP communities, webhook tokens): sealed at rest, in an envelope.

A key-encryption key, which is never in the store, wraps one data key per tenant; the data key seals each
secret. Sealed octets, and a wrapped key likewise:

    0        1              5           17                     n-16        n
    | format | key id (u32) | nonce 12  | ciphertext           | GCM tag   |

Format 1 is AES-256-GCM (SP 800-38D) with a random nonce. The associated data is the tenant and the name, so a
ciphertext put in another row opens nothing. The key id of a secret is the number of its data key, that of a
data key the first 32 bits of the SHA-256 of the key that wraps it.
"""

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.ext.asyncio import AsyncConnection

from station.clock import Clock
from station.scope import Role, Scope
from station.security import audit
from station.security.store import vault_key, vault_secret
from station.state import State, insert_new, upsert

KEY_BYTES: Final = 32
NAME_MAX: Final = 128
SECRET_MAX: Final = 65_536  # characters
KEY_FILE: Final = "vault.key"
VARIABLE: Final = "TRUNKLINE_VAULT_KEY"
SNMP: Final = "snmp/"  # names of SNMP credentials: `snmp/<credential of the device>`, JSON
LOGIN: Final = "login/"  # names of other logins: `login/<name>`, JSON with username and password
_FORMAT: Final = 1
_NONCE: Final = 12
_HEAD: Final = 5 + _NONCE


class VaultError(Exception):
    """A key or a secret that cannot be used; the text never holds either."""


@dataclass(frozen=True, slots=True)
class Key:
    """256 bits and the id under which ciphertexts name them."""

    id: int
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret's text, which only `reveal()` shows: not repr, not str, not a log."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        return self._text

    def __str__(self) -> str:
        return "Secret(***)"


def load_key(folder: Path, environ: Mapping[str, str]) -> Key:
    """The key-encryption key: TRUNKLINE_VAULT_KEY, else the file TRUNKLINE_VAULT_KEY_FILE, else `vault.key` in the data folder.

    The text is 32 octets in base64. The file in the data folder is made on first use, readable by its owner only;
    one that others can read is refused.
    """
    if text := environ.get(VARIABLE):
        return _key(text, VARIABLE)
    named = environ.get(f"{VARIABLE}_FILE")
    path = Path(named) if named else folder / KEY_FILE
    if not named and not path.exists():
        _create(path)
    try:
        if path.stat().st_mode & 0o077:
            raise VaultError(f"{path}: others than its owner can read the key; run chmod 600 on it.")
        return _key(path.read_text("ascii"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise VaultError(f"{path}: the vault's key cannot be read: {error}.") from error


class Vault:
    """Named secrets of each tenant. Plaintext exists in memory only, from `get` on."""

    def __init__(self, state: State, key: Key, clock: Clock) -> None:
        self._state = state
        self._key = key
        self._clock = clock

    async def put(self, scope: Scope, name: str, secret: str | Secret) -> None:
        """Store or replace a secret; the audit says that, not what."""
        scope.require(Role.ENGINEER, "storing a secret")
        text = secret.reveal() if isinstance(secret, Secret) else secret
        if not 1 <= len(name) <= NAME_MAX or not name.isprintable() or len(text) > SECRET_MAX:
            raise VaultError(f"A secret has a printable name of 1 to {NAME_MAX} characters and at most {SECRET_MAX} characters itself.")
        now_ns = self._clock.now_ns()
        async with self._state.write() as conn:
            # First the audit: it locks the tenant's head, so that no rotation comes between the key read and the secret written.
            await audit.record(conn, scope, "secret.put", f"secret:{name}", now_ns=now_ns)
            sealed = _seal(await self._data_key(conn, scope.tenant), text.encode(), _about(scope.tenant, name))
            row = {"tenant": scope.tenant, "name": name, "sealed": sealed, "changed_ns": now_ns}
            await upsert(conn, vault_secret, [row], ("tenant", "name"))

    async def get(self, scope: Scope, name: str) -> Secret | None:
        """A secret, None when there is none of this name. Only the station itself and administrators see values."""
        scope.require(Role.ADMIN, "reading a secret")
        mine = (vault_secret.c.tenant == scope.tenant) & (vault_secret.c.name == name)
        together = sa.select(vault_secret.c.sealed, vault_key.c.no, vault_key.c.wrapped).join(
            vault_key, vault_key.c.tenant == vault_secret.c.tenant
        )
        async with self._state.read() as conn:
            rows = (await conn.execute(together.where(mine))).all()  # one statement, one moment: a rotation is before or after it
        if not rows:
            return None
        keys = {row.no: self._unwrap(scope.tenant, row.no, row.wrapped) for row in rows}
        return Secret(_open(keys, rows[0].sealed, _about(scope.tenant, name)).decode())

    async def put_json(self, scope: Scope, name: str, value: Mapping[str, Any]) -> None:
        """Store a secret with parts, such as an SNMP credential under `snmp/<name>`."""
        await self.put(scope, name, json.dumps(value, sort_keys=True))

    async def get_json(self, scope: Scope, name: str) -> dict[str, Any] | None:
        """The parts of a secret stored by `put_json`."""
        secret = await self.get(scope, name)
        return None if secret is None else json.loads(secret.reveal())

    async def list(self, scope: Scope) -> list[dict[str, Any]]:
        """`{name, changed_ns}` of each secret, by name; never a value."""
        scope.require(Role.ENGINEER, "listing secrets")
        query = sa.select(vault_secret.c.name, vault_secret.c.changed_ns).where(vault_secret.c.tenant == scope.tenant)
        async with self._state.read() as conn:
            return [dict(row) for row in (await conn.execute(query.order_by(vault_secret.c.name))).mappings()]

    async def delete(self, scope: Scope, name: str) -> bool:
        """Whether there was such a secret to forget."""
        scope.require(Role.ENGINEER, "deleting a secret")
        mine = (vault_secret.c.tenant == scope.tenant) & (vault_secret.c.name == name)
        async with self._state.write() as conn:
            if (await conn.execute(sa.delete(vault_secret).where(mine))).rowcount == 0:
                return False
            await audit.record(conn, scope, "secret.delete", f"secret:{name}", now_ns=self._clock.now_ns())
        return True

    async def rotate(self, scope: Scope) -> int:
        """Seal everything of the tenant under a fresh data key, in one transaction; return how many secrets."""
        scope.require(Role.ADMIN, "rotating the vault")
        tenant = scope.tenant
        async with self._state.write() as conn:
            await audit.record(conn, scope, "vault.rotate", "vault", now_ns=self._clock.now_ns())
            keys = await self._keys(conn, tenant)
            fresh = await self._make_key(conn, tenant, max(keys, default=0) + 1)
            rows = [dict(row) for row in (await conn.execute(sa.select(vault_secret).where(vault_secret.c.tenant == tenant))).mappings()]
            sealed = [row | {"sealed": _resealed(keys, fresh, row)} for row in rows]
            await upsert(conn, vault_secret, sealed, ("tenant", "name"), update=("sealed",))
            await conn.execute(sa.delete(vault_key).where(vault_key.c.tenant == tenant, vault_key.c.no != fresh.id))
        return len(rows)

    async def rewrap(self, scope: Scope, key: Key) -> None:
        """Wrap every tenant's data key under another key-encryption key, which this vault uses from then on."""
        scope.require(Role.ADMIN, "changing the vault's key")
        async with self._state.write() as conn:
            rows = [dict(row) for row in (await conn.execute(sa.select(vault_key))).mappings()]
            for row in rows:
                about = _about_key(row["tenant"], row["no"])
                row["wrapped"] = _seal(key, _open({self._key.id: self._key}, row["wrapped"], about), about)
            await upsert(conn, vault_key, rows, ("tenant", "no"), update=("wrapped",))
            await audit.record(conn, scope, "vault.rewrap", "vault", now_ns=self._clock.now_ns(), after={"keys": len(rows)})
        self._key = key

    async def _data_key(self, conn: AsyncConnection, tenant: int) -> Key:
        keys = await self._keys(conn, tenant)
        return keys[max(keys)] if keys else await self._make_key(conn, tenant, 1)

    async def _make_key(self, conn: AsyncConnection, tenant: int, no: int) -> Key:
        """A fresh data key of this number; of two that make it at once, both get the one that was first."""
        about = _about_key(tenant, no)
        wrapped = _seal(self._key, secrets.token_bytes(KEY_BYTES), about)
        row = {"tenant": tenant, "no": no, "wrapped": wrapped, "created_ns": self._clock.now_ns()}
        await insert_new(conn, vault_key, [row], ("tenant", "no"))
        return (await self._keys(conn, tenant))[no]

    async def _keys(self, conn: AsyncConnection, tenant: int) -> dict[int, Key]:
        rows = (await conn.execute(sa.select(vault_key).where(vault_key.c.tenant == tenant))).mappings().all()
        return {row["no"]: self._unwrap(tenant, row["no"], row["wrapped"]) for row in rows}

    def _unwrap(self, tenant: int, no: int, wrapped: bytes) -> Key:
        return Key(no, _open({self._key.id: self._key}, wrapped, _about_key(tenant, no)))


def _resealed(keys: Mapping[int, Key], fresh: Key, row: Mapping[str, Any]) -> bytes:
    about = _about(row["tenant"], row["name"])
    return _seal(fresh, _open(keys, row["sealed"], about), about)


def _about(tenant: int, name: str) -> bytes:
    return f"secret:{tenant}:{name}".encode()


def _about_key(tenant: int, no: int) -> bytes:
    return f"data-key:{tenant}:{no}".encode()


def _seal(key: Key, plain: bytes, about: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return bytes([_FORMAT]) + key.id.to_bytes(4) + nonce + AESGCM(key.octets).encrypt(nonce, plain, about)


def _open(keys: Mapping[int, Key], sealed: bytes, about: bytes) -> bytes:
    if len(sealed) < _HEAD or sealed[0] != _FORMAT:
        raise VaultError("What is stored is not a sealed secret of a format this version knows.")
    key = keys.get(int.from_bytes(sealed[1:5]))
    if key is None:
        raise VaultError("The secret was sealed with another key: the vault's key file or variable is not the one it was written with.")
    try:
        return AESGCM(key.octets).decrypt(sealed[5:_HEAD], sealed[_HEAD:], about)
    except InvalidTag:
        raise VaultError("The sealed secret was changed, or belongs to another name.") from None


def _key(text: str, where: str) -> Key:
    try:
        octets = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        octets = b""
    if len(octets) != KEY_BYTES:
        raise VaultError(f"{where}: the vault's key is {KEY_BYTES} octets in base64; this is something else.")
    return Key(int.from_bytes(hashlib.sha256(octets).digest()[:4]), octets)


def _create(path: Path) -> None:
    """Write a fresh key, complete or not at all: whoever comes second finds the first one's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
