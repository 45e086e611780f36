"""The register of collectors: enrolled once by a token, revoked at once; and what its API says."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from inventory.picture import Picture
from station.bus.keys import Keys
from station.bus.link import Login
from station.bus.registry import TOKEN_VALID_S, NewCollector, Registry, RegistryError, invitation, invited, living
from station.bus.server import BusFolder, collector_permissions
from station.bus.settings import BusSettings
from station.clock import NS_PER_S, VirtualClock
from station.hub import Hub
from station.scope import STATION, ForbiddenError, Role, Scope
from station.security import audit
from station.state import State


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(1_800_000_000 * NS_PER_S)


@pytest.fixture
def registry(state: State, clock: VirtualClock) -> Registry:
    return Registry(state, clock)


def keys_of(token: str) -> dict[str, str]:
    keys = Keys.fresh()
    return {"token": token, "user_key": keys.user, "box_key": keys.box.hex()}


async def test_a_token_enrols_one_collector_once(registry: Registry) -> None:
    key, token = await registry.add(STATION, NewCollector(name="north", vrf="n"))
    assert living(await registry.rows()) == {}
    said = keys_of(token)
    assert (await registry.enrol(said))["id"] == key
    assert living(await registry.rows())[key]["user_key"] == said["user_key"]
    for again in (said, keys_of(token), keys_of("guess"), keys_of(""), {"token": token, "user_key": "U", "box_key": "00"}, {}):
        with pytest.raises(RegistryError):
            await registry.enrol(again)


async def test_an_old_token_and_one_of_a_revoked_collector_are_worth_nothing(registry: Registry, clock: VirtualClock) -> None:
    _, old = await registry.add(STATION, NewCollector(name="old"))
    clock.advance(TOKEN_VALID_S * NS_PER_S)
    revoked, token = await registry.add(STATION, NewCollector(name="revoked"))
    assert await registry.revoke(STATION, revoked) and not await registry.revoke(STATION, revoked)
    for each in (old, token):
        with pytest.raises(RegistryError, match="too old"):
            await registry.enrol(keys_of(each))


async def test_a_name_stands_once_and_only_engineers_add_and_revoke(registry: Registry) -> None:
    await registry.add(STATION, NewCollector(name="north"))
    with pytest.raises(RegistryError, match="north"):
        await registry.add(STATION, NewCollector(name="north"))
    viewer = Scope(1, Role.OPERATOR, "op")
    with pytest.raises(ForbiddenError):
        await registry.add(viewer, NewCollector(name="south"))
    with pytest.raises(ForbiddenError):
        await registry.revoke(viewer, "any")


async def test_what_is_done_to_collectors_is_in_the_audit_without_the_token(registry: Registry) -> None:
    key, token = await registry.add(STATION, NewCollector(name="north"))
    await registry.enrol(keys_of(token))
    await registry.revoke(STATION, key)
    told = await audit.rows(registry._state, STATION)
    assert [row["act"] for row in told] == ["collector.revoke", "collector.enrol", "collector.add"]
    assert token not in str(told)


async def test_places_are_kept_by_kind_and_spool(registry: Registry) -> None:
    await registry.save_places("samples", {("a", "e1"): 3, ("b", "e2"): 1})
    await registry.save_places("samples", {("a", "e1"): 7})
    assert await registry.places("samples") == {("a", "e1"): 7, ("b", "e2"): 1}
    assert await registry.places("notices") == {}


@pytest.mark.parametrize("odd", [{"name": ""}, {"name": "a b"}, {"name": "a", "ranges": ["10.0.0.0/99"]}, {"name": "a", "colour": 1}])
def test_a_collector_that_cannot_be_is_refused(odd: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        NewCollector.model_validate(odd)


def test_an_invitation_says_where_and_whom_to_trust() -> None:
    text = invitation(Login("tls://192.0.2.1:4222", "enrol", "-----BEGIN", "secret"), "token")
    assert invited(f" {text}\n") == {"url": "tls://192.0.2.1:4222", "ca": "-----BEGIN", "password": "secret", "token": "token"}
    for odd in ("", "x", text[:-9]):
        with pytest.raises(RegistryError):
            invited(odd)


def test_a_collector_speaks_on_its_own_subjects_only() -> None:
    allowed = collector_permissions("me")
    assert all(subject.endswith(".me") for subject in allowed["publish"])
    assert all("me" in subject for subject in allowed["subscribe"])


def test_the_files_of_the_bus_are_their_owners_only(tmp_path: Path) -> None:
    folder = BusFolder(tmp_path, BusSettings(listen="127.0.0.1"))
    assert folder.write_users([("a", "UA")]) and not folder.write_users([("a", "UA")])
    folder.write_config((2, 9))
    assert "sync_interval" not in folder.config.read_text()
    folder.write_config((2, 10))
    assert '"sync_interval": "always"' in folder.config.read_text()
    assert {path.stat().st_mode & 0o077 for path in folder.path.iterdir()} == {0}


async def test_who_is_only_invited_has_no_share_of_the_network(registry: Registry, state: State) -> None:
    key, token = await registry.add(STATION, NewCollector(name="north"))
    picture = Picture(state, Hub())
    assert not (await picture.reload()).collectors
    await registry.enrol(keys_of(token))
    assert set((await picture.reload()).collectors) == {key}
