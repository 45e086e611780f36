"""The register of collectors: named by an engineer, enrolled once by a one-time token, revoked at once."""

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from typing import Annotated, Any, Final

import sqlalchemy as sa
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy.exc import IntegrityError

from station.bus.keys import KEY_OCTETS, is_user_nkey
from station.bus.link import Login
from station.bus.store import bus_place, collector
from station.clock import NS_PER_S, Clock
from station.ids import new_id
from station.scope import OPERATOR_TENANT, STATION, Role, Scope
from station.security import audit
from station.security.sessions import hashed
from station.state import State, records, upsert

TOKEN_VALID_S: Final = 86_400
COLLECTORS_MAX: Final = 10_000
Row = Mapping[str, Any]


class RegistryError(Exception):
    """What cannot be registered or enrolled; the text says why."""


def _is_network(text: str) -> str:
    ip_network(text, strict=False)
    return text


class NewCollector(BaseModel):
    """What an engineer says of a collector: where it is, what it polls, where it may discover."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\z")]
    vrf: Annotated[str, Field(max_length=64, pattern=r"\A[^/\x00-\x1f]*\z")] = ""
    site: Annotated[str, Field(max_length=255)] = ""
    sites: Annotated[tuple[str, ...], Field(max_length=100)] = ()
    ranges: Annotated[tuple[Annotated[str, AfterValidator(_is_network)], ...], Field(max_length=100)] = ()
    credentials: Annotated[tuple[Annotated[str, Field(max_length=64)], ...], Field(max_length=20)] = ("default",)


class Registry:
    """Reads and writes the register; nothing is kept here."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state, self._clock = state, clock

    async def rows(self, tenant: int = OPERATOR_TENANT) -> list[dict[str, Any]]:
        """Every collector, by name."""
        async with self._state.read() as conn:
            return await records(conn, sa.select(collector).where(collector.c.tenant == tenant).order_by(collector.c.name))

    async def add(self, scope: Scope, new: NewCollector) -> tuple[str, str]:
        """(id, one-time token). RegistryError where the name is taken."""
        scope.require(Role.ENGINEER, "adding a collector")
        now_ns, token = self._clock.now_ns(), secrets.token_urlsafe(32)
        lists = {name: json.dumps(getattr(new, name)) for name in ("sites", "ranges", "credentials")}
        row = {"tenant": scope.tenant, "id": new_id(now_ns), "name": new.name, "vrf": new.vrf, "site": new.site, **lists}
        row |= {"token_hash": hashed(token), "token_expires_ns": now_ns + TOKEN_VALID_S * NS_PER_S, "created_ns": now_ns}
        try:
            async with self._state.write() as conn:
                await conn.execute(sa.insert(collector).values(row))
                after = new.model_dump(mode="json")
                await audit.record(conn, scope, "collector.add", f"collector:{row['id']}", now_ns=now_ns, after=after)
        except IntegrityError as error:
            raise RegistryError(f"There is a collector named {new.name} already.") from error
        return str(row["id"]), token

    async def enrol(self, said: Mapping[str, Any]) -> Row:
        """Take the keys of the collector whose token this is, once; RegistryError for any other."""
        token, user, box = (str(said.get(name, "")) for name in ("token", "user_key", "box_key"))
        if not is_user_nkey(user) or not _is_key(box):
            raise RegistryError("These are no keys.")
        now_ns = self._clock.now_ns()
        unused = (collector.c.token_hash == hashed(token)) & (collector.c.token_expires_ns > now_ns) & (collector.c.revoked_ns == 0)
        values = {"token_hash": "", "user_key": user, "box_key": box, "enrolled_ns": now_ns}
        async with self._state.write() as conn:
            found = await records(conn, sa.select(collector).where(unused))
            if not token or not found:
                raise RegistryError("This token is unknown, was used, or is too old.")
            await conn.execute(sa.update(collector).where(collector.c.id == found[0]["id"]).values(**values))
            about = f"collector:{found[0]['id']}"
            await audit.record(conn, STATION, "collector.enrol", about, now_ns=now_ns, after={"user_key": user})
        return found[0] | values

    async def revoke(self, scope: Scope, key: str) -> bool:
        """It may not speak any more, and polls nothing; False when there is no such living one."""
        scope.require(Role.ENGINEER, "revoking a collector")
        now_ns = self._clock.now_ns()
        mine = (collector.c.tenant == scope.tenant) & (collector.c.id == key) & (collector.c.revoked_ns == 0)
        async with self._state.write() as conn:
            done = await conn.execute(sa.update(collector).where(mine).values(revoked_ns=now_ns, token_hash="", user_key=""))
            if done.rowcount:
                await audit.record(conn, scope, "collector.revoke", f"collector:{key}", now_ns=now_ns)
        return bool(done.rowcount)

    async def places(self, kind: str, tenant: int = OPERATOR_TENANT) -> dict[tuple[str, str], int]:
        """(collector, epoch) -> the highest block that is durable."""
        query = sa.select(bus_place).where(bus_place.c.tenant == tenant, bus_place.c.kind == kind)
        async with self._state.read() as conn:
            return {(row["collector"], row["epoch"]): row["place"] for row in await records(conn, query)}

    async def save_places(self, kind: str, places: Mapping[tuple[str, str], int], tenant: int = OPERATOR_TENANT) -> None:
        rows = [
            {"tenant": tenant, "kind": kind, "collector": key, "epoch": epoch, "place": place} for (key, epoch), place in places.items()
        ]
        async with self._state.write() as conn:
            await upsert(conn, bus_place, rows, ("tenant", "kind", "collector", "epoch"))


def living(rows: Sequence[Row]) -> dict[str, Row]:
    """Those that have enrolled and are not revoked, by id."""
    return {row["id"]: row for row in rows if row["user_key"] and not row["revoked_ns"]}


def invitation(login: Login, token: str) -> str:
    """The text that a collector enrols with: where the bus is, whom to trust there, and the one-time token."""
    said = {"url": login.url, "ca": login.ca, "password": login.password, "token": token}
    return base64.urlsafe_b64encode(json.dumps(said, separators=(",", ":")).encode()).decode()


def invited(text: str) -> dict[str, str]:
    """What an invitation says; RegistryError where it is none."""
    try:
        said = json.loads(base64.urlsafe_b64decode(text.strip()))
        return {name: str(said[name]) for name in ("url", "ca", "password", "token")}
    except (ValueError, KeyError, TypeError) as error:
        raise RegistryError("This is no invitation of a station.") from error


def _is_key(text: str) -> bool:
    try:
        return len(bytes.fromhex(text)) == KEY_OCTETS
    except ValueError:
        return False
