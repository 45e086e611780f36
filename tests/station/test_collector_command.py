"""`trunkline collector`: what it prints and how it ends."""

import json
from pathlib import Path

import pytest

from station.bus.registry import invited
from station.commands import collector


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "station.toml").write_text('[bus]\nlisten = "127.0.0.1"\nport = 4999\nhosts = ["bus.example.net"]\n')
    return tmp_path


def test_an_invitation_is_printed_and_the_collector_listed_until_it_is_revoked(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert collector.add(None, data, {"name": "north", "vrf": "n"}) == 0
    said = invited(capsys.readouterr().out)
    assert said["url"] == "tls://bus.example.net:4999" and "CERTIFICATE" in said["ca"] and said["token"]
    assert collector.add(None, data, {"name": "north"}) == 1
    assert collector.revoke(None, data, "north") == 0
    assert collector.revoke(None, data, "north") == 1
    capsys.readouterr()
    assert collector.listed(None, data, as_json=True) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["name"], row["vrf"], row["enrolled_at"], bool(row["revoked_at"])) == ("north", "n", None, True)


def test_what_cannot_be_is_said_with_its_exit_code(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert collector.add(None, data, {"name": "no name"}) == 2
    assert collector.run(None, tmp_path / "new") == 1
    (tmp_path / "invitation").write_text("nonsense")
    assert collector.enrol(tmp_path / "new", tmp_path / "invitation") == 1
    (data / "station.toml").write_text("")
    assert collector.add(None, data, {"name": "north"}) == 2
    told = capsys.readouterr().err
    assert all(text in told for text in ("name:", "collector enrol", "no invitation", "[bus] listen or url"))
