"""What colours the map is looked up for all of it at once."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from perf.last import LastValues
from station.batch import SampleBatch
from station.catalogue import code_of
from station.colours import Colours
from station.hub import Hub
from station.series import series_of


def test_an_interface_is_as_full_as_its_busier_direction_and_an_unheard_one_is_left_out() -> None:
    heard = {(1, "in"): 0.25, (1, "out"): 0.5, (2, "in"): np.nan, (2, "out"): 0.125, (3, "in"): np.nan}
    series = np.array([series_of(7, entity, code_of(f"interface.{way}_utilisation")) for entity, way in heard], np.uint64)
    last = LastValues()
    last.take(SampleBatch.of(np.full(len(heard), 10, np.int64), series, value=np.array(list(heard.values()))))
    none: Any = None
    colours = Colours(none, cast(Any, SimpleNamespace(last=last)), Hub())
    assert colours.utilisation([7 << 16 | entity for entity in (1, 2, 3, 4)]) == pytest.approx({7 << 16 | 1: 50.0, 7 << 16 | 2: 12.5})
    assert colours.utilisation([]) == {}
