"""`trunkline config check` and `config show`."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from station.commands.context import OK, USAGE, answer, complain, say, settings_in_force
from station.data import data_dir
from station.settings import PREFIX, SettingsError


def check(config: Path | None) -> int:
    """Settings first, then every rule, profile, threshold, KPI, tariff and service level; each fault on a line of its own."""

    def act() -> int:
        settings_in_force(config)
        faults = list(_data_faults())
        for fault in faults:
            complain(fault)
        if not faults:
            say(f"{config or 'the defaults'}: right; so are the rules, profiles, thresholds, trends, KPIs, tariffs and service levels")
        return USAGE if faults else OK

    return answer(act)


def show(config: Path | None) -> int:
    def act() -> int:
        overrides = sorted(name for name in os.environ if name.startswith(PREFIX) and "__" in name)
        say(json.dumps({"settings": settings_in_force(config).model_dump(mode="json"), "overridden_by": overrides}, indent=2))
        return OK

    return answer(act)


def _data_faults() -> Iterator[str]:
    """What is wrong in the data folders, as each domain's own loader says it."""
    for folder, load in _loaders().items():
        try:
            load(data_dir("config") / folder)
        except _errors() as error:
            yield f"config/{folder}: {error}"


def _errors() -> tuple[type[Exception], ...]:
    from bss.tariffs import TariffError
    from collectors.snmp.profiles import ProfileError
    from fault.rules import RuleFileError

    return ValueError, KeyError, AssertionError, OSError, SettingsError, TariffError, ProfileError, RuleFileError


def _loaders() -> dict[str, Callable[[Path], object]]:
    """By folder of config/: reads everything in it or raises."""
    from bss.tariffs import Tariffs
    from collectors.gnmi_models import model_of
    from collectors.snmp.profiles import load_profiles
    from fault.rules import load_rules
    from perf import kpis, thresholds, trends
    from perf.incoming import places
    from perf.sla.terms import load as slas

    def each(read: Callable[[Path], object]) -> Callable[[Path], object]:
        return lambda folder: [read(path) for path in sorted(folder.glob("*.toml"))]

    return {
        "alarm_rules": load_rules,
        "gnmi": each(model_of),
        "kpis": each(kpis.read),
        "metrics_in": each(places.read),
        "profiles": load_profiles,
        "slas": slas,
        "tariffs": lambda folder: [Tariffs(folder).versions(name) for name in Tariffs(folder).names()],
        "thresholds": each(thresholds.read),
        "trends": each(trends.read),
    }
