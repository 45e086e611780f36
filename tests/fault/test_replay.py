"""A recorded stream gives the same incidents, roots and times again, by the production code; a file that is none says why."""

import json
from pathlib import Path

import pytest

from fault.correlation.network import network_of_json
from fault.correlation.stdio import Session
from fault.replay import ReplayError, replay
from inventory.topology import Topology
from tests.fault.network import NETWORK, at

SITES = [{"id": "s1", "kind": "site"}, {"id": "s2", "kind": "site"}]
DEVICES = [{"id": f"d{n}", "kind": "device", "site": f"s{n}", "role": "core"} for n in (1, 2)]
CARDS = [{"id": f"d{n}/c", "kind": "card", "device": f"d{n}"} for n in (1, 2)]
PORTS = [{"id": f"d{n}/p", "kind": "port", "card": f"d{n}/c", "device": f"d{n}"} for n in (1, 2)]
LINK = [{"id": "l12", "kind": "link", "ports": ["d1/p", "d2/p"], "devices": ["d1", "d2"]}]
DRAWN = {"name": "two", "nms": "d1", "resources": [*SITES, *DEVICES, *CARDS, *PORTS, *LINK]}
SIGNAL = {"state": "raised", "probableCause": "lossOfSignal", "eventType": "communicationsAlarm", "severity": "major"}
ALARMS = [{"id": f"a{n}", "t": 10.0 + n, "raised": 10.0, "resource": f"d{n}/p", "device": f"d{n}", **SIGNAL} for n in (1, 2)]


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    file = tmp_path / "topology.json"
    file.write_text(json.dumps(DRAWN))
    return file


async def test_bare_alarms_and_the_whole_protocol_name_the_same_root(tmp_path: Path, drawn: Path) -> None:
    bare = await replay(map(json.dumps, ALARMS), Topology(), tmp_path, drawn)
    whole = await replay(map(json.dumps, [{"topology": str(drawn)}, {"now": 12.0, "alarms": ALARMS}]), Topology(), tmp_path)
    roots = [sorted((it["root"], it["alarms"]) for it in found.shown() if it["alarms"]) for found in (bare, whole)]
    assert roots[0] == roots[1] != []
    assert all(10.0 <= it["first_s"] <= it["root_s"] for it in bare.shown())
    assert bare.alarms == whole.alarms == 2


async def test_it_is_what_the_protocol_itself_answers(tmp_path: Path, drawn: Path) -> None:
    said = Session(network_of_json(drawn)).feed(12.0, ALARMS)
    found = await replay([json.dumps({"topology": str(drawn)}), json.dumps({"now": 12.0, "alarms": ALARMS})], Topology(), tmp_path)
    assert {one["incident"]: one["root"] for one in found.shown()} == {one["incident"]: one["root"][0] for one in said}


def event(resource: str, severity: str, seconds: float) -> str:
    return json.dumps(
        {"time_ns": at(seconds), "resource": resource, "alarm_type": "communications.link_down", "severity": severity, "text": "x"}
    )


async def test_events_of_the_station_become_explained_incidents_twice_alike(tmp_path: Path) -> None:
    lines = [
        event("if-r1-1", "major", 0),
        event("if-r2-1", "major", 1),
        event("if-r1-1", "cleared", 4000),
        event("if-r2-1", "cleared", 4000),
    ]
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        found.append((await replay(lines, NETWORK, tmp_path / name)).shown())
    assert found[0] == found[1]
    (one,) = found[0]
    assert (one["root"], one["alarms"]) == ("r1 ge-0/0/1 - r2 ge-0/0/1", 2)
    assert one["says"] and one["last_s"] >= 4000


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 1"),
        ("[1]", "line 1: it is no JSON object"),
        (json.dumps(ALARMS[0]), "the topology must come first"),
        ('{"topology": "/nowhere.json"}', "nowhere"),
        ('{"alarm_type": "x", "colour": 1}', "line 1: an event has no colour"),
        ('{"alarm_type": "x"}', "line 1"),
        ("[" * 100_000, "line 1"),
    ],
)
async def test_a_line_that_cannot_be_replayed_is_named(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(ReplayError, match=says):
        await replay([line], Topology(), tmp_path)


async def test_nothing_gives_nothing(tmp_path: Path) -> None:
    assert (await replay(["", " "], Topology(), tmp_path)).shown() == []
