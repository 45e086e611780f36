"""One source per counter: where a live stream delivers a device's counters, polled ones of the same series are left out.

Two readers of one counter at slightly different instants would look like duplicates and steps to the rates.
"""

from typing import Final

import numpy as np

from station.batch import SampleBatch
from station.catalogue import metrics_by_code
from station.metrics import counter
from station.series import devices_of, metrics_of

PREFERRED = counter("samples_preferred", "Polled samples left out because a live stream delivers the series.")
_STREAMED: Final = np.array(sorted(code for code, metric in metrics_by_code().items() if metric.entity == "interface"), np.uint8)


def without_covered(batch: SampleBatch, covered: frozenset[int]) -> SampleBatch:
    """The batch without the interface series of the covered devices (by dense number)."""
    if not covered:
        return batch
    theirs = np.isin(devices_of(batch.series), np.array(sorted(covered), np.uint64)) & np.isin(metrics_of(batch.series), _STREAMED)
    if not theirs.any():
        return batch
    PREFERRED.inc(int(theirs.sum()))
    return batch.take(~theirs)
