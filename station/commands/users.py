"""`trunkline user` and `trunkline credential`: who may come in, and what the station shows to devices."""

import getpass
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from station.clock import SystemClock
from station.commands.context import FAILED, OK, USAGE, complain, say, with_store
from station.config import StationSettings
from station.scope import STATION, Role
from station.security import Security
from station.state import State


def _role(text: str) -> Role | None:
    if text in [role.value for role in Role]:
        return Role(text)
    complain(f"no role {text!r}; there are {', '.join(Role)}")
    return None


def add(config: Path | None, data: Path | None, name: str, role_name: str) -> int:
    from station.security.passwords import PasswordError
    from station.security.users import AccountError

    role = _role(role_name)
    if role is None:
        return USAGE
    password = getpass.getpass("Password (15 characters at least): ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")

    async def act(_settings: StationSettings, _folder: Path, state: State) -> int:
        try:
            await Security(state, SystemClock()).add_user(STATION, name, password, role)
        except (PasswordError, AccountError) as error:
            complain(str(error))
            return FAILED
        say(f"{name} may sign in as {role}")
        return OK

    return with_store(config, data, act)


def token(config: Path | None, data: Path | None, name: str, role_name: str, days: int) -> int:
    role = _role(role_name)
    if role is None:
        return USAGE

    async def act(_settings: StationSettings, _folder: Path, state: State) -> int:
        say(await Security(state, SystemClock()).make_token(STATION, name, role, days))
        return OK

    return with_store(config, data, act)


def login(config: Path | None, data: Path | None, name: str, user: str, password_file: Path) -> int:
    """Store a name and a password, or a shared secret without a name, as one login."""
    from station.security.vault import LOGIN, Vault, load_key

    try:
        password = password_file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        complain(f"{password_file}: {getattr(error, 'strerror', None) or 'is no text'}")
        return FAILED
    if not password:
        complain(f"{password_file}: is empty")
        return USAGE

    async def act(_settings: StationSettings, folder: Path, state: State) -> int:
        vault = Vault(state, load_key(folder, os.environ), SystemClock())
        await vault.put_json(STATION, f"{LOGIN}{name}", {"username": user, "password": password})
        say(f"login {name} is in the vault")
        return OK

    return with_store(config, data, act)


def credential(config: Path | None, data: Path | None, name: str, secrets: Mapping[str, Path | None], names: Mapping[str, str]) -> int:
    """Read the secrets from their files and store them as one named credential."""
    from collectors.snmp.credentials import SnmpCredential
    from station.security.vault import SNMP, Vault, load_key

    try:
        read = {key: path.read_text().strip() for key, path in secrets.items() if path is not None}
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}")
        return FAILED
    values = {"version": "3" if names["user"] else "2c", **{key: text for key, text in names.items() if text}, **read}
    if not (values.get("user") or values.get("community")):
        complain("give --community-file, or --user with --auth and --auth-file")
        return USAGE
    try:
        SnmpCredential(**values)
    except ValueError as error:
        complain(str(error))
        return USAGE

    async def act(_settings: StationSettings, folder: Path, state: State) -> int:
        await Vault(state, load_key(folder, os.environ), SystemClock()).put_json(STATION, f"{SNMP}{name}", values)
        say(f"credential {name} is in the vault")
        return OK

    return with_store(config, data, act)
