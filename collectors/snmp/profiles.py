"""Device families as data: `config/profiles/*.toml`, bound by the longest matching prefix of sysObjectID.

`profile_model` says what a file may hold. A family's own tables come first, then those of every file that is
`everywhere` (the standards' tables), so that an unknown device still gives what the IETF's MIBs give. Of sessions
the standards come first: their tables count transitions, the families' add what they leave out.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from collectors.codecs.ber import Oid, parse_oid
from collectors.snmp.profile_model import Profile, ProfileFile
from station.data import data_dir
from station.settings import SettingsError, load

GENERIC: Final = "generic"
__all__ = ["GENERIC", "Profile", "ProfileError", "Profiles", "load_profile", "load_profiles", "shipped_profiles"]


class ProfileError(Exception):
    """A profile file cannot be used; the text names file, line, key and reason, a line for each fault."""


class Profiles:
    """All families; `bind` finds the one of a device, and each comes with the standards' tables behind its own."""

    def __init__(self, profiles: Mapping[str, Profile]) -> None:
        everywhere = [profile for _, profile in sorted(profiles.items()) if profile.everywhere]
        self.by_name = {name: _with(profile, everywhere) for name, profile in profiles.items()}
        self.generic = self.by_name[GENERIC]

    def named(self, name: str) -> Profile:
        """The profile of that name, the generic one where it is gone."""
        return self.by_name.get(name, self.generic)

    def probes(self, sys_object_id: str) -> tuple[Oid, ...]:
        """Subtrees whose presence tells apart families that answer with this sysObjectID."""
        oid = _parsed(sys_object_id)
        return tuple(probe for profile in self.by_name.values() if profile.matches(oid) for probe in profile.probes)

    def bind(self, sys_object_id: str, sys_descr: str, present: Iterable[Oid] = ()) -> Profile:
        """The longest matching prefix; of equals, the one that also knows the sysDescr or a subtree that is `present`."""
        oid, there = _parsed(sys_object_id), frozenset(present)
        best, best_score = self.generic, (0, 0)
        for profile in self.by_name.values():
            length = profile.matches(oid)
            knows = profile.knows(sys_descr, there)
            if length and knows is not None and (length, knows) > best_score:
                best, best_score = profile, (length, knows)
        return best


def _parsed(sys_object_id: str) -> Oid:
    try:
        return parse_oid(sys_object_id)
    except ValueError:
        return ()


def _with(profile: Profile, everywhere: Iterable[Profile]) -> Profile:
    others = [other for other in everywhere if other.name != profile.name]
    return profile.model_copy(
        update={
            "device": profile.device + tuple(one for other in others for one in other.device),
            "sensors": profile.sensors + tuple(one for other in others for one in other.sensors),
            "sessions": tuple(one for other in others for one in other.sessions) + profile.sessions,
            "tiers": {metric: tier for other in others for metric, tier in other.tiers.items()} | dict(profile.tiers),
        }
    )


def load_profile(path: Path) -> Profile:
    """One file, or ProfileError naming file, line and key."""
    try:
        return Profile(name=path.stem, **dict(load(ProfileFile, path, {})))
    except SettingsError as error:
        raise ProfileError(str(error)) from error


def load_profiles(folder: Path) -> Profiles:
    """Every file of a folder; one of them must be `generic.toml`."""
    found = {profile.name: profile for profile in map(load_profile, sorted(folder.glob("*.toml")))}
    if GENERIC not in found:
        raise ProfileError(f"{folder}: generic.toml is missing")
    return Profiles(found)


@cache
def shipped_profiles() -> Profiles:
    return load_profiles(data_dir("config") / "profiles")
