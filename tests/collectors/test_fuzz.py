"""The first inputs of each codec's million (`benchmarks/fuzz.py`): every one is read or refused."""

import pytest

from benchmarks.fuzz import run
from benchmarks.fuzz_codecs import CODECS

INPUTS = 1_000


@pytest.mark.parametrize("name", sorted(CODECS))
def test_bent_messages_are_read_or_refused(name: str) -> None:
    found = run(name, CODECS[name], INPUTS, seed=1)
    assert found["read"] + found["refused"] == INPUTS and found["read"]
