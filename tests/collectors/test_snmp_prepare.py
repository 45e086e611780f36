"""The compiled steps are made by a child process, and made anew when anything that is compiled into them has changed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from collectors.snmp import wire


@pytest.mark.slow
def test_a_child_prepares_the_cache_and_a_newer_source_voids_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert not wire.is_prepared(None)
    subprocess.run([sys.executable, "-m", "collectors.snmp.prepare"], check=True, timeout=300)
    assert wire.is_prepared(None)
    for index in tmp_path.rglob("wire_kernels.*.nbi"):
        os.utime(index, (1, 1))
    assert not wire.is_prepared(None)
