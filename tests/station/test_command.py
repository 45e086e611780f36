"""The command: exit codes, exact errors, users and secrets that never stand on the command line, backup and restore."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.slow


def trunkline(*arguments: str, given: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)} | environ
    command = [sys.executable, "-m", "station.cli", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, env=environment, check=False, timeout=60)


def test_a_wrong_setting_names_file_line_and_key_and_exits_with_2(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text("[web]\nport = 8080\n\n[snmp]\nintervall_s = 5\n")
    done = trunkline("config", "check", "--config", str(path))
    assert done.returncode == 2
    assert done.stderr.strip() == f"{path}:5: snmp.intervall_s: unknown key; did you mean 'interval_s'?"


def test_a_missing_settings_file_exits_with_2(tmp_path: Path) -> None:
    done = trunkline("run", "--config", str(tmp_path / "nothing.toml"), "--data", str(tmp_path))
    assert (done.returncode, done.stderr.strip()) == (2, f"{tmp_path / 'nothing.toml'}: no such file")


def test_the_defaults_and_every_shipped_file_are_right() -> None:
    assert trunkline("config", "check").returncode == 0


def test_the_environment_shows_in_the_settings_in_force() -> None:
    done = trunkline("config", "show", TRUNKLINE_WEB__PORT="8123")
    shown = json.loads(done.stdout)
    assert shown["settings"]["web"]["port"] == 8123
    assert shown["overridden_by"] == ["TRUNKLINE_WEB__PORT"]


def test_users_tokens_and_credentials_are_made_without_secrets_on_the_command_line(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    assert trunkline("user", "add", "kim", "--role", "operator", *data, given="a long enough phrase\n").returncode == 0
    short = trunkline("user", "add", "lee", *data, given="short\n")
    assert (short.returncode, "15" in short.stderr) == (1, True)
    assert trunkline("user", "token", "scrape", *data).stdout.startswith("tl_")
    (tmp_path / "community").write_text("canary-community-4711\n")
    assert trunkline("credential", "add", "core", "--community-file", str(tmp_path / "community"), *data).returncode == 0
    (tmp_path / "secret").write_text("canary-secret-4712\n")
    assert trunkline("credential", "login", "bras", "--password-file", str(tmp_path / "secret"), *data).returncode == 0
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert b"canary-community-4711" not in kept
    assert b"canary-secret-4712" not in kept
    assert b"a long enough phrase" not in kept


def test_a_backup_comes_back_and_garbage_is_refused(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    trunkline("user", "add", "kim", *data, given="a long enough phrase\n")
    assert trunkline("backup", str(tmp_path / "copy.db"), *data).returncode == 0
    trunkline("user", "add", "lee", *data, given="another long phrase\n")
    (tmp_path / "garbage").write_text("no database")
    assert trunkline("restore", str(tmp_path / "garbage"), *data).returncode == 1
    assert trunkline("restore", str(tmp_path / "copy.db"), *data).returncode == 0
    again = trunkline("user", "add", "lee", *data, given="another long phrase\n")
    assert again.returncode == 0, "lee was not in the backup"


def test_mib_names_are_translated_both_ways() -> None:
    assert trunkline("mib", "translate", "1.3.6.1.2.1.31.1.1.1.6.1").stdout.strip() == "ifHCInOctets.1"
    assert trunkline("mib", "translate", "ifHCInOctets").stdout.strip() == "1.3.6.1.2.1.31.1.1.1.6"
    assert trunkline("mib", "translate", "noSuchName").returncode == 1


def test_a_demo_does_not_touch_a_folder_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("data")
    done = trunkline("demo", "--data", str(tmp_path))
    assert done.returncode == 2
    assert (tmp_path / "precious").read_text() == "data"


def test_a_file_of_usage_is_taken_once_and_proved(tmp_path: Path) -> None:
    data, file = ("--data", str(tmp_path / "data")), tmp_path / "calls.csv"
    file.write_text("meter,service,time,quantity\nvoice_seconds,S-1,2020-01-01T00:00:00Z,60\nvoice_seconds,S-1,yesterday,60\n")
    done = trunkline("usage", "import", str(file), "--source", "switch", "--format", "csv", "--json", *data)
    assert (done.returncode, json.loads(done.stdout)) == (3, {"rejected too_old": 1, "rejected bad_time": 1})
    assert trunkline("usage", "verify", *data).returncode == 0
