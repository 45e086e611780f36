"""`trunkline try` and `trunkline correlate`: files of strangers, read by the station's own code."""

import json
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from station.commands import tries, tries_perf
from station.commands.context import FAILED, OK, PARTLY, USAGE
from station.data import data_dir
from tests.station.test_command import trunkline

WALK = """.1.3.6.1.2.1.1.1.0 = STRING: "a box \x1b[31m"
.1.3.6.1.2.1.1.2.0 = OID: .1.3.6.1.4.1.2636.1.1.1.2.21
.1.3.6.1.2.1.1.3.0 = Timeticks: (4711) 0:00:47.11
.1.3.6.1.2.1.1.5.0 = STRING: "mx-1"
.1.3.6.1.2.1.2.2.1.8.507 = INTEGER: up(1)
.1.3.6.1.2.1.31.1.1.1.1.507 = STRING: "xe-0/0/0"
.1.3.6.1.4.1.2636.3.60.1.1.1.1.5.507 = INTEGER: -312
"""
MONTH = {"in_gb": "1500", "out_gb": "500", "slots": [{"n": 8640, "in_mbps": "150", "out_mbps": "20"}]}
CASES = Path(__file__).parent.parent / "cases" / "correlation" / "small"


def test_a_walk_is_discovered_and_polled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.walk").write_text(WALK)
    (tmp_path / "empty").write_text("nothing\n")
    assert tries.recordings([tmp_path / "a.walk", tmp_path / "empty"], True) == PARTLY
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert (said["profile"], [one["name"] for one in said["interfaces"]]) == ("juniper_junos", ["xe-0/0/0"])
    assert said["values"]["sensor.optical_receive_power xe-0/0/0 receive power"] == pytest.approx(-3.12)
    assert "empty" in err
    assert tries.recordings([tmp_path / "a.walk"], False) == OK
    assert "\x1b" not in capsys.readouterr().out
    assert tries.recordings([tmp_path / "missing"], False) == USAGE


def test_lines_become_events_or_say_that_no_rule_knows_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "lines"
    file.write_text("<187>Jul 1 10:00:00 r1 45: %LINK-3-UPDOWN: Interface Gi0/1, changed state to down\n\n<13>nobody knows this\n")
    assert tries.syslog(file, True) == PARTLY
    known, unknown = map(json.loads, capsys.readouterr().out.splitlines())
    assert (known["event"] != "", known["severity"], unknown["event"]) == (True, "error", "")


def test_a_capture_is_read_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = bytes(12) + b"\0\1\0\2" + (10).to_bytes(4) + (1500).to_bytes(4) + bytes(24)
    version5 = b"\0\5\0\1" + bytes(4) + (1_785_000_000).to_bytes(4) + bytes(12) + record
    frame = Ether() / IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=1, dport=2055)
    wrpcap(str(tmp_path / "a.pcap"), [frame / version5, frame / b"noise"])
    assert tries.flow(tmp_path / "a.pcap", True) == PARTLY
    said = json.loads(capsys.readouterr().out)
    assert (said["datagrams"], said["flows"], said["octets"], said["packets"], said["exporters"]) == (2, 1, 1500, 10, ["192.0.2.1"])
    assert sum(said["refused"].values()) == 1
    (tmp_path / "b.pcap").write_bytes(b"no capture")
    assert tries.flow(tmp_path / "b.pcap", True) == USAGE


@pytest.mark.parametrize("file", sorted((data_dir("config") / "tariffs").rglob("*.toml")), ids=lambda path: path.parent.name)
def test_a_tariff_tells_whether_its_examples_are_right(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tries.tariff(file, None, False) == OK
    assert "right" in capsys.readouterr().out
    (tmp_path / "usage.json").write_text(json.dumps(MONTH))
    assert tries.tariff(file, tmp_path / "usage.json", True) == OK
    said = json.loads(capsys.readouterr().out)
    assert said["lines"] and said["currency"] in ("EUR", "USD")


def test_a_tariff_with_a_fault_or_a_wrong_example_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "own.toml"
    head = 'summary = "s"\ncurrency = "EUR"\nrounding = "half_up"\n[[charges]]\nkind = "flat"\n'
    file.write_text(head + 'amount = "1.00"\n[[examples]]\nsays = "x"\nexpect = [["1.flat", "1", "2.00"]]\n')
    assert tries.tariff(file, None, False) == FAILED
    assert "WRONG  x" in capsys.readouterr().out
    file.write_text(head + 'amunt = "1.00"\n')
    assert tries.tariff(file, None, False) == USAGE
    assert f"{file}:" in capsys.readouterr().err


@pytest.mark.slow
def test_correlate_speaks_over_stdio() -> None:
    done = trunkline("correlate", "--stdio", given=json.dumps({"topology": str(CASES / "topology.json")}) + '\n{"now": 1, "alarms": []}\n')
    assert [json.loads(line) for line in done.stdout.splitlines()] == [{"ready": True}, {"incidents": []}]
    assert trunkline("correlate").returncode == 2


def hourly(days: int) -> str:
    rows = [f"2026-03-{1 + h // 24:02d} {h % 24:02d}:00:00,{10 + h % 24},{100 + h % 24}" for h in range(days * 24) if h != 30]
    return "\n".join(["timestamp,in,out", *rows, ""])


def test_series_of_a_table_are_forecast_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "series.csv"
    file.write_text(hourly(14))
    assert tries_perf.forecast(file, False, True) == OK
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["series"], first["time"][0], second["series"]) == ("in", "2026-03-15 00:00:00", "out")
    assert first["mean"] == pytest.approx([10.0 + h for h in range(24)], rel=1e-3)
    assert tries_perf.forecast(file, True, True) == OK
    assert json.loads(capsys.readouterr().out)["nmae"] < 0.001


def test_a_table_has_a_score_for_each_of_its_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "series.csv"
    file.write_text(hourly(20).replace("2026-03-19 05:00:00,15,", "2026-03-19 05:00:00,900,"))
    assert tries_perf.anomaly(file, True) == OK
    told = json.loads(capsys.readouterr().out.splitlines()[0])
    odd = [at for at, score in zip(told["time"], told["anomaly_score"], strict=True) if score >= 0.5]
    assert (odd, len(told["time"])) == (["2026-03-19 05:00:00"], 20 * 24 - 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "line 1"), ("t,v\n1,2\n", "two instants"), ("t,v\nsoon,2\n", "line 2"), ("t,v\n1,x\n", "line 2"), ("t,v\n1\n", "line 2")],
)
def test_a_file_that_is_no_table_says_where(text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text(text)
    assert tries_perf.anomaly(tmp_path / "a.csv", False) == USAGE
    assert says in capsys.readouterr().err
