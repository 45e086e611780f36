"""Which family a device is of: by its sysObjectID, by what its agent has, and by who stands behind a general agent's name.

An appliance often answers with the identifier of the agent it was built with (net-snmp's, its operating system's), or with
one that nobody knows; the vendor's own tables are there all the same and tell whose it is.
"""

from collections.abc import Sequence
from typing import Final

from collectors.codecs.ber import Oid, dotted, parse_oid
from collectors.codecs.snmp import EXCEPTIONS
from collectors.snmp.client import SnmpClient, SnmpError
from collectors.snmp.profiles import Profile, Profiles

ENTERPRISES: Final = parse_oid("1.3.6.1.4.1")
GENERAL_AGENTS: Final = frozenset({2021, 8072})  # UCD-SNMP and net-snmp
ENTERPRISES_MAX: Final = 16
ASKED_AT_ONCE: Final = 20  # an answer stays within a packet
ASKED_MAX: Final = 400
ASKED_ONE_BY_ONE_MAX: Final = 40  # of an agent of version 1


async def family_of(client: SnmpClient, sys_object_id: str, sys_descr: str, profiles: Profiles) -> Profile:
    """The family of a device that answers so."""
    told = _names_somebody(sys_object_id)
    known_as = sys_object_id if told else await _first_enterprise(client)
    profile = profiles.bind(known_as, sys_descr, await present(client, profiles.probes(known_as)))
    if profile.general or not told or await _is_but_the_makers(client, known_as, profile):
        profile = await _behind(client, sys_descr, profiles) or profile
    return profile.under(parse_oid(known_as) if known_as else ())


async def _is_but_the_makers(client: SnmpClient, known_as: str, profile: Profile) -> bool:
    """Whether a family was found by its maker's number alone and the agent has none of its tables: it may be another of his."""
    oid = parse_oid(known_as) if known_as else ()
    if profile.matches(oid) > len(ENTERPRISES) + 1:
        return False
    own = sorted(_own_columns(profile, set(oid[len(ENTERPRISES) : len(ENTERPRISES) + 1])))[:ASKED_AT_ONCE]
    return bool(own) and not await present(client, own)


def _names_somebody(sys_object_id: str) -> bool:
    """Whether a sysObjectID is one of an enterprise, not zeroDotZero or nothing."""
    return sys_object_id.startswith(dotted(ENTERPRISES) + ".")


async def present(client: SnmpClient, probes: Sequence[Oid]) -> list[Oid]:
    """The subtrees that the agent has something in. Version 1 is asked one by one: a miss fails the whole request."""
    at_once = 1 if client.credential.version == "1" else ASKED_AT_ONCE
    found: list[Oid] = []
    for start in range(0, len(probes), at_once):
        part = tuple(probes[start : start + at_once])
        try:
            answer = await client.getbulk(part, non_repeaters=len(part), max_repetitions=0)
        except SnmpError:
            continue
        pairs = zip(part, answer, strict=False)
        found += [probe for probe, cell in pairs if cell.oid[: len(probe)] == probe and cell.tag not in EXCEPTIONS]
    return found


async def _enterprises(client: SnmpClient, most: int) -> list[int]:
    """The first enterprises that the agent has objects of, in order."""
    found: list[int] = []
    after = ENTERPRISES
    while len(found) < most:
        try:
            answer = await client.getbulk((after,), max_repetitions=1)
        except SnmpError:
            break
        oid = answer[0].oid if answer and answer[0].tag not in EXCEPTIONS else ()
        if oid[: len(ENTERPRISES)] != ENTERPRISES or len(oid) <= len(ENTERPRISES) or (found and oid[len(ENTERPRISES)] <= found[-1]):
            break
        found.append(oid[len(ENTERPRISES)])
        after = (*ENTERPRISES, found[-1] + 1)
    return found


async def _first_enterprise(client: SnmpClient) -> str:
    """The first enterprise that an agent without a sysObjectID shows objects of, "" for none."""
    found = await _enterprises(client, 1)
    return dotted((*ENTERPRISES, *found)) if found else ""


async def _behind(client: SnmpClient, sys_descr: str, profiles: Profiles) -> Profile | None:
    """The family most of whose own tables the agent has, None where it has no vendor's."""
    told = set(await _enterprises(client, ENTERPRISES_MAX)) - GENERAL_AGENTS
    columns = {profile.name: own for profile in profiles.by_name.values() if (own := _own_columns(profile, told))}
    most = ASKED_ONE_BY_ONE_MAX if client.credential.version == "1" else ASKED_MAX
    there = set(await present(client, sorted(set().union(*columns.values()))[:most]))
    scores = {name: len(own & there) for name, own in columns.items()}
    fitting = [name for name in scores if profiles.by_name[name].knows(sys_descr, frozenset(there | columns[name])) is not None]
    best = max(fitting, key=lambda name: scores[name], default="")
    return profiles.by_name[best] if best and scores[best] else None


def _own_columns(profile: Profile, enterprises: set[int]) -> set[Oid]:
    """What a family reads under these enterprises."""
    if profile.only_as_told or profile.general or profile.everywhere:
        return set()
    keys = (reading.key for reading in (*profile.device, *profile.sensors))
    return {key for key in keys if key[: len(ENTERPRISES)] == ENTERPRISES and key[len(ENTERPRISES)] in enterprises}
