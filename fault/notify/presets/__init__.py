"""The words of other systems, one file each: a new file with a `PRESET` is a new format."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from fault.notify.message import Preset


@cache
def presets() -> dict[str, Preset]:
    """Every preset by its name."""
    found = [import_module(f"{__name__}.{module.name}").PRESET for module in iter_modules(__path__)]
    return {preset.name: preset for preset in found}
