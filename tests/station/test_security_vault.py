"""Secrets at rest: sealed, bound to their name and tenant, rotatable, and never shown."""

import asyncio
import base64
import logging
import os
from pathlib import Path

import pytest
import sqlalchemy as sa

from station.clock import VirtualClock
from station.scope import STATION, ForbiddenError, Role, Scope
from station.security.store import vault_key, vault_secret
from station.security.vault import Key, Secret, Vault, VaultError, load_key
from station.state import State

CANARY = "canary-public-7f3a"


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return load_key(tmp_path / "data", {})


@pytest.fixture
def vault(state: State, key: Key) -> Vault:
    return Vault(state, key, VirtualClock(1))


async def test_a_secret_comes_back_and_an_unknown_one_is_none(vault: Vault) -> None:
    await vault.put(STATION, "webhook/1", CANARY)
    found = await vault.get(STATION, "webhook/1")
    assert found is not None and found.reveal() == CANARY
    assert await vault.get(STATION, "webhook/2") is None
    await vault.put(STATION, "webhook/1", Secret("another"))
    again = await vault.get(STATION, "webhook/1")
    assert again is not None and again.reveal() == "another"
    assert [row["name"] for row in await vault.list(STATION)] == ["webhook/1"]
    assert await vault.delete(STATION, "webhook/1") and not await vault.delete(STATION, "webhook/1")


async def test_an_snmp_credential_is_kept_with_its_parts(vault: Vault) -> None:
    credential = {"version": "3", "user": "trunkline", "auth": "sha256", "auth_password": CANARY}
    await vault.put_json(STATION, "snmp/default", credential)
    assert await vault.get_json(STATION, "snmp/default") == credential
    assert await vault.get_json(STATION, "snmp/none") is None


async def test_neither_files_nor_logs_nor_reprs_hold_a_secret(
    vault: Vault, key: Key, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        await vault.put(STATION, "snmp/default", CANARY)
        secret = await vault.get(STATION, "snmp/default")
        await vault.rotate(STATION)
    assert CANARY not in caplog.text
    assert CANARY not in f"{secret} {secret!r} {vault!r} {vars(vault)!r}" and repr(key.octets) not in repr(key)
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    assert files and all(CANARY.encode() not in path.read_bytes() for path in files)


async def test_a_ciphertext_in_another_row_or_with_a_flipped_bit_opens_nothing(vault: Vault, state: State) -> None:
    await vault.put(STATION, "a", CANARY)
    await vault.put(STATION, "b", "other")
    async with state.read() as conn:
        sealed = (await conn.execute(sa.select(vault_secret.c.sealed).where(vault_secret.c.name == "a"))).scalar_one()
    flipped = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))]
    for name, octets in [("b", sealed), ("a", b""), ("a", sealed[:10]), *(("a", one) for one in flipped)]:
        async with state.write() as conn:
            await conn.execute(sa.update(vault_secret).where(vault_secret.c.name == name).values(sealed=octets))
        with pytest.raises(VaultError) as refused:
            await vault.get(STATION, name)
        assert CANARY not in str(refused.value)


async def test_rotation_seals_anew_while_readers_go_on(vault: Vault, state: State) -> None:
    for n in range(20):
        await vault.put(STATION, f"snmp/{n}", f"{CANARY}-{n}")
    async with state.read() as conn:
        before = set((await conn.execute(sa.select(vault_secret.c.sealed))).scalars())
    reads = [vault.get(STATION, f"snmp/{n}") for n in range(20)]
    rotated, *found = await asyncio.gather(vault.rotate(STATION), *reads)
    assert rotated == 20 and all(isinstance(one, Secret) and one.reveal() == f"{CANARY}-{n}" for n, one in enumerate(found))
    async with state.read() as conn:
        assert not before & set((await conn.execute(sa.select(vault_secret.c.sealed))).scalars())
        assert (await conn.execute(sa.select(vault_key.c.no))).scalars().all() == [2]
    last = await vault.get(STATION, "snmp/7")
    assert last is not None and last.reveal() == f"{CANARY}-7"


async def test_another_key_opens_nothing_until_the_data_keys_are_rewrapped(vault: Vault, state: State, tmp_path: Path) -> None:
    await vault.put(STATION, "a", CANARY)
    other = load_key(tmp_path / "other", {})
    with pytest.raises(VaultError, match="another key"):
        await Vault(state, other, VirtualClock(1)).get(STATION, "a")
    await vault.rewrap(STATION, other)
    for opened in (vault, Vault(state, other, VirtualClock(1))):
        found = await opened.get(STATION, "a")
        assert found is not None and found.reveal() == CANARY


async def test_tenants_and_roles_are_kept_apart(vault: Vault) -> None:
    await vault.put(STATION, "a", CANARY)
    other = Scope(2, Role.ADMIN, "other")
    assert await vault.get(other, "a") is None and await vault.list(other) == []
    for role, act in ((Role.ENGINEER, vault.get), (Role.OPERATOR, vault.delete), (Role.BILLING, vault.get)):
        with pytest.raises(ForbiddenError):
            await act(Scope(1, role, "eve"), "a")


@pytest.mark.parametrize("name", ["", "x" * 129, "a\nb", "\x1b[2J"])
async def test_a_secret_has_a_printable_name(vault: Vault, name: str) -> None:
    with pytest.raises(VaultError):
        await vault.put(STATION, name, CANARY)


def test_the_key_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    first = load_key(tmp_path / "data", {})
    path = tmp_path / "data" / "vault.key"
    assert path.stat().st_mode & 0o777 == 0o600 and load_key(tmp_path / "data", {}) == first
    assert os.listdir(tmp_path / "data") == ["vault.key"]
    path.chmod(0o640)
    with pytest.raises(VaultError, match="chmod 600"):
        load_key(tmp_path / "data", {})


def test_the_key_may_come_from_the_environment(tmp_path: Path) -> None:
    text = base64.b64encode(bytes(range(32))).decode()
    (tmp_path / "key").write_text(text)
    (tmp_path / "key").chmod(0o600)
    by_value = load_key(tmp_path, {"TRUNKLINE_VAULT_KEY": text})
    assert by_value == load_key(tmp_path, {"TRUNKLINE_VAULT_KEY_FILE": str(tmp_path / "key")})
    assert not (tmp_path / "vault.key").exists()


@pytest.mark.parametrize("text", ["c2hvcnQ=", "not base64 at all", "é" * 40, base64.b64encode(bytes(33)).decode()])
def test_a_key_of_the_wrong_form_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(VaultError) as refused:
        load_key(tmp_path, {"TRUNKLINE_VAULT_KEY": text})
    assert text not in str(refused.value)


def test_a_missing_key_file_is_an_error_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="cannot be read"):
        load_key(tmp_path, {"TRUNKLINE_VAULT_KEY_FILE": str(tmp_path / "none")})
