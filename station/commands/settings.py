"""`trunkline config check` and `config show`."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from station.commands.context import OK, USAGE, answer, complain, say, settings_in_force
from station.data import data_dir
from station.settings import PREFIX


def check(config: Path | None) -> int:
    """Settings first, then every rule, profile, threshold, KPI and tariff; each fault on a line of its own."""

    def act() -> int:
        settings_in_force(config)
        faults = list(_data_faults())
        for fault in faults:
            complain(fault)
        if not faults:
            say(f"{config or 'the defaults'}: right; so are the rules, profiles, thresholds, KPIs and tariffs")
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
    from station.settings import SettingsError

    for folder, load in _loaders().items():
        try:
            load(data_dir("config") / folder)
        except SettingsError as error:
            yield str(error)


def _loaders() -> dict[str, Callable[[Path], object]]:
    return {}
