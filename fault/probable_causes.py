"""The probable causes and event types that standards name (X.733, X.736, M.3100), from `config/probable_causes.toml`."""

import tomllib
from typing import Final

from station.data import data_dir

_LISTS: Final = tomllib.loads((data_dir("config") / "probable_causes.toml").read_text())
PROBABLE_CAUSES: Final = frozenset((*_LISTS["x733"], *_LISTS["x736"], *_LISTS["m3100"]))
EVENT_TYPES: Final = frozenset(_LISTS["event_types"])
