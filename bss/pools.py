"""Allowances beyond one service and one month: what a customer's services share, and what earlier months left."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bss.money import exact
from bss.rating.allowance import Allowance, Share, distributed, granted
from bss.rating.metered import base_units
from bss.rating.price import ServiceUsage
from bss.tariffs import TariffVersion

Carried = Mapping[tuple[str, str], Mapping[int, int]]  # base units by (service, tariff), then by the allowance's place


def carried_out(rows: Iterable[tuple[str, str, str, Mapping[str, Any]]]) -> dict[tuple[str, str], dict[int, int]]:
    """What the ratings of a period left, from (service, tariff, charge, computation), the latest revision last."""
    found: dict[tuple[str, str], dict[int, int]] = {}
    for service_id, tariff, charge, computation in rows:
        found.setdefault((service_id, tariff), {})[int(charge.partition(".")[0])] = int(computation["carried_out"])
    return found


def with_allowances(usages: Mapping[str, ServiceUsage], tariffs: Mapping[str, TariffVersion], carried: Carried) -> dict[str, ServiceUsage]:
    """The usages of one customer's services, in order, with what was carried in and each one's part of the shared pools.

    Services on the same version of a tariff share: each active one adds its own grant to the pool.
    """
    found = {id_: replace(usage, carried=carried.get((id_, tariffs[id_].name), {})) for id_, usage in usages.items()}
    groups: dict[str, list[str]] = {}
    for id_ in found:
        groups.setdefault(tariffs[id_].sha256, []).append(id_)
    for ids in groups.values():
        version = tariffs[ids[0]]
        if any(isinstance(terms, Allowance) and terms.share != Share.SERVICE for _, terms in version.priced):
            found |= _pooled(version, ids, found)
    return found


def _pooled(version: TariffVersion, ids: Sequence[str], usages: Mapping[str, ServiceUsage]) -> dict[str, ServiceUsage]:
    """The group's usages with `pooled` set, allowance by allowance as the file has them."""
    found = {id_: usages[id_] for id_ in ids}
    covered = dict(found)  # the same usages, less what earlier allowances cover
    with exact():
        for place, (_, terms) in enumerate(version.priced, start=1):
            if not isinstance(terms, Allowance):
                continue
            active = [id_ for id_ in ids if found[id_].active_days]
            wanted = {id_: base_units(covered[id_], terms) for id_ in active}
            grants = {id_: granted(terms, found[id_]) for id_ in active}
            if terms.share == Share.SERVICE:
                parts = {id_: min(wanted[id_], grants[id_] + found[id_].carried.get(place, 0)) for id_ in active}
            else:
                shares = distributed(terms.share, sum(grants.values()), list(wanted.values()))
                parts = dict(zip(active, shares, strict=True))
                found |= {id_: replace(found[id_], pooled={**found[id_].pooled, place: parts[id_]}) for id_ in active}
            for id_ in active:
                free = covered[id_].free
                covered[id_] = replace(covered[id_], free={**free, terms.key: free.get(terms.key, 0) + parts[id_]})
    return found
