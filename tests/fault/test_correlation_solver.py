"""The solver on recorded and generated scenarios, and its parts on small networks."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.correlation import Json, engine, generator, score
from fault.correlation.effects import Effects
from fault.correlation.incident import Notice
from fault.correlation.model import Cause, Hypothesis, Key, Kind
from fault.correlation.network import Link, Network, network_of_json, network_of_resources
from fault.correlation.odds import confidence
from fault.correlation.reach import Reach
from fault.correlation.solver import Solver
from fault.correlation.stdio import serve

CASES = Path(__file__).parent.parent / "cases" / "correlation"


def ring(duct: bool = False) -> Network:
    """The station's d0 in a ring d0 d1 d2 d3, and d4 behind d2; each link lN joins the ports of its devices."""
    pairs = [("d0", "d1"), ("d1", "d2"), ("d2", "d3"), ("d3", "d0"), ("d2", "d4")]
    resources: list[Json] = [{"id": f"s{n}", "kind": "site", "area": "a"} for n in range(5)]
    resources += [{"id": f"d{n}", "kind": "device", "site": f"s{n}", "role": "core"} for n in range(5)]
    for n, (a, b) in enumerate(pairs):
        for device in (a, b):
            resources.append({"id": f"{device}/c{n}", "kind": "card", "device": device})
            resources.append({"id": f"{device}/p{n}", "kind": "port", "card": f"{device}/c{n}", "device": device})
        resources.append(
            {"id": f"l{n}", "kind": "link", "devices": [a, b], "ports": [f"{a}/p{n}", f"{b}/p{n}"], "duct": "u" if duct and n < 2 else None}
        )
        resources.append({"id": f"adj{n}", "kind": "adjacency", "link": f"l{n}"})
    return network_of_resources({"nms": "d0", "resources": resources})


def lost(port: str, at_s: float, *, cleared: bool = False) -> Notice:
    return Notice(f"{port} {at_s}", Key(Cause.SIGNAL, port, port.split("/", 1)[0]), cleared, at_s, at_s)


def down(adjacency: str, device: str, at_s: float) -> Notice:
    return Notice(f"{adjacency} {device}", Key(Cause.ADJACENCY, adjacency, device), False, at_s, at_s)


def unreachable(device: str, at_s: float, since_s: float) -> Notice:
    return Notice(f"{device} gone", Key(Cause.UNREACHABLE, device, device), False, at_s, since_s)


def hypotheses(solver: Solver) -> set[Hypothesis]:
    return {incident.hypothesis for incident in solver.situation.incidents.values() if incident.strong}


def play(solver: Solver, notices: list[Notice], until_s: float) -> None:
    for second in range(int(until_s) + 1):
        solver.feed(float(second), [each for each in notices if second - 1 < each.arrived_s <= second])


def test_a_single_cut_in_a_ring_cuts_nothing_off() -> None:
    assert Reach(ring()).cut_off(frozenset({"l1"}), frozenset()) == set()


def test_a_second_cut_isolates_what_lies_between() -> None:
    reach = Reach(ring())
    reach.fail({"l1"}, ())
    assert reach.cut_off(frozenset({"l3"}), frozenset()) == {"d3", "d2", "d4"}
    reach.repair({"l1"}, ())
    assert reach.cut_off(frozenset({"l3"}), frozenset()) == set()


def test_a_dead_device_takes_its_branch_along() -> None:
    assert Reach(ring()).cut_off(frozenset(), frozenset({"d2"})) == {"d4"}


def test_what_is_cut_off_is_not_expected_to_speak() -> None:
    solver = Solver(ring())
    effects: Effects = solver.situation.compiler.effects(Hypothesis(Kind.NODE, "d2"))
    assert Key(Cause.SIGNAL, "d2/p1", "d2") not in effects.expect
    assert effects.expect[Key(Cause.UNREACHABLE, "d4", "d4")].due
    assert not any(key.device == "d4" and profile.due and key.cause is not Cause.UNREACHABLE for key, profile in effects.expect.items())


def test_both_ends_of_a_link_name_the_link() -> None:
    solver = Solver(ring())
    play(solver, [lost("d1/p1", 10.2), lost("d2/p1", 10.5), down("adj1", "d1", 20.0), down("adj1", "d2", 25.0)], 200)
    assert hypotheses(solver) == {(Kind.LINK, "l1")}


def test_all_neighbours_of_a_router_name_the_router() -> None:
    solver = Solver(ring())
    play(solver, [lost("d1/p1", 10.2), lost("d3/p2", 10.5), unreachable("d2", 30.0, 10.1), unreachable("d4", 40.0, 10.1)], 400)
    assert hypotheses(solver) == {(Kind.NODE, "d2")}


def test_two_links_of_one_duct_name_the_duct() -> None:
    solver = Solver(ring(duct=True))
    ports = ("d0/p0", "d1/p0", "d1/p1", "d2/p1")
    play(solver, [lost(port, 10.0 + n / 5) for n, port in enumerate(ports)], 100)
    assert hypotheses(solver) == {(Kind.DUCT, "u")}


def test_a_port_that_blips_alone_is_noise_and_never_strong() -> None:
    solver = Solver(ring())
    play(solver, [lost("d1/p1", 10.2)], 200)
    assert hypotheses(solver) == set()


def test_an_adjacency_without_loss_of_signal_is_not_the_link() -> None:
    solver = Solver(ring())
    play(solver, [down("adj1", "d1", 10.2), down("adj1", "d2", 12.0)], 100)
    assert hypotheses(solver) == {(Kind.ADJACENCY, "adj1")}


def test_a_change_is_blamed_for_the_adjacencies_that_fall_minutes_later() -> None:
    solver = Solver(ring())
    changed = Notice("change", Key(Cause.CHANGED, "d2", "d2"), False, 10.0, 10.0)
    play(solver, [changed, down("adj1", "d2", 110.0), down("adj1", "d1", 112.0)], 200)
    assert hypotheses(solver) == {(Kind.CHANGE, "d2")}


def test_mains_lost_at_two_sites_of_an_area_name_the_area() -> None:
    solver = Solver(ring())
    mains = [Notice(f"mains {n}", Key(Cause.POWER, f"s{n}", f"d{n}"), False, 10.0 + n, 10.0 + n) for n in (1, 2)]
    play(solver, mains, 30)
    assert hypotheses(solver) == {(Kind.AREA, "a")}


def recorded(name: str) -> Json:
    path = CASES / name
    alarms = [json.loads(line) for line in (path / "alarms.jsonl").read_text().splitlines()]
    return score(alarms, json.loads((path / "truth.json").read_text()), engine(network_of_json(path / "topology.json"), alarms))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("small", 0.9), ("incomplete", 0.88)])
def test_recorded_scenarios_reach_their_score(name: str, least: float) -> None:
    found = recorded(name)
    assert found["rca"] >= least
    assert found["suppressed"] == 0
    assert found["shown_per_fault"] <= 2


@pytest.mark.slow
def test_a_generated_scenario_reaches_its_score(tmp_path: Path) -> None:
    module = generator()
    module.generate(tmp_path, module.Parameters(seed=5, devices=200, core=25, faults=25, pon=0.3))
    alarms = [json.loads(line) for line in (tmp_path / "alarms.jsonl").read_text().splitlines()]
    found = score(alarms, json.loads((tmp_path / "truth.json").read_text()), engine(network_of_json(tmp_path / "topology.json"), alarms))
    assert found["rca"] >= 0.87
    assert found["suppressed"] == 0


@pytest.mark.slow
def test_the_process_answers_line_by_line_and_the_same_twice() -> None:
    alarms = [json.loads(line) for line in (CASES / "small" / "alarms.jsonl").read_text().splitlines()[:200]]
    lines = [{"topology": str(CASES / "small" / "topology.json")}]
    asked = "".join(
        json.dumps(each) + "\n" for each in [*lines, {"now": alarms[-1]["t"], "alarms": alarms}, {"now": 1e5, "alarms": [], "end": True}]
    )
    answers = []
    for _ in range(2):
        out = io.StringIO()
        serve(io.StringIO(asked), out)
        answers.append(out.getvalue())
    assert answers[0] == answers[1]
    first, second, _ = map(json.loads, answers[0].splitlines())
    assert first == {"ready": True}
    assert {"incident", "alarms", "root", "noise", "confidence"} == set(second["incidents"][0])


def test_what_is_over_is_forgotten_and_what_is_open_is_not() -> None:
    solver = Solver(ring())
    cut = [lost("d1/p1", 10.2), lost("d2/p1", 10.5), lost("d0/p3", 11.0)]
    over = [lost("d1/p1", 60.0, cleared=True), lost("d2/p1", 60.0, cleared=True)]
    play(solver, cut + over, 1200)
    assert {event.key.resource for incident in solver.situation.incidents.values() for event in incident.events} == {"d0/p3"}
    assert set(solver.situation.current) == {Key(Cause.SIGNAL, "d0/p3", "d0")}
    assert solver.situation.reach.links_down == {}


def test_a_change_that_nobody_told_of_is_never_sure() -> None:
    solver = Solver(ring())
    play(solver, [down("adj1", "d2", 110.0), down("adj4", "d2", 112.0)], 200)
    for incident in solver.situation.incidents.values():
        assert incident.kind is not Kind.CHANGE or confidence(incident, 0.0) <= 0.5


def test_a_repeated_symptom_stays_with_the_fault_that_brought_it() -> None:
    solver = Solver(ring())
    cut = [lost("d1/p1", 10.2), lost("d2/p1", 10.5), lost("d1/p1", 60.0), lost("d2/p1", 60.3)]
    play(solver, cut, 200)
    assert [incident.hypothesis for incident in solver.situation.incidents.values()] == [(Kind.LINK, "l1")]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=8))
def test_a_changed_link_leaves_the_distances_that_a_new_measurement_finds(turns: list[int]) -> None:
    network, out = ring(), dict[str, Link]()
    for turn in turns:
        name = f"l{turn}"
        if name in out:
            network.connect(out.pop(name))
        else:
            out[name] = network.disconnect(name)
        found = dict(network.distance)
        network.measure()
        assert found == network.distance


def test_a_link_that_becomes_known_explains_what_stood_alone() -> None:
    network = ring()
    link = network.disconnect("l4")
    solver = Solver(network)
    play(solver, [lost("d2/p4", 10.2), unreachable("d4", 30.0, 10.1)], 40)
    solver.rewire([link], [])
    solver.feed(41.0, [])
    assert {each.hypothesis.element for each in solver.situation.incidents.values()} <= {"l4", "d4"}


def tree(*, tied: bool = True) -> Network:
    """The station's d0, an OLT behind it, a splitter and four ONTs; `tied` False: the inventory lacks the OLT's uplink."""
    kinds = {"d0": "core", "olt": "olt", **{f"ont{n}": "ont" for n in range(4)}}
    resources: list[Json] = [{"id": f"s-{name}", "kind": "site"} for name in kinds]
    resources += [{"id": name, "kind": "device", "site": f"s-{name}", "role": role} for name, role in kinds.items()]
    resources.append({"id": "split", "kind": "splitter", "site": "s-olt"})
    ports = ["d0/up", "olt/up", "olt/feed", *(f"ont{n}/in" for n in range(4))]
    resources += [{"id": port, "kind": "port", "device": port.split("/")[0]} for port in ports]
    if tied:
        resources.append({"id": "uplink", "kind": "link", "devices": ["d0", "olt"], "ports": ["d0/up", "olt/up"]})
    resources.append({"id": "feeder", "kind": "link", "devices": ["olt", "split"], "ports": ["olt/feed"]})
    resources += [{"id": f"drop{n}", "kind": "link", "devices": [f"ont{n}", "split"], "ports": [f"ont{n}/in"]} for n in range(4)]
    return network_of_resources({"nms": "d0", "resources": resources})


def test_a_feeder_whose_own_loss_of_signal_got_lost_is_found_by_those_behind_it() -> None:
    solver = Solver(tree())
    play(solver, [unreachable(f"ont{n}", 10.0 + 15 * n, 4.0) for n in range(4)], 400)
    assert hypotheses(solver) == {Hypothesis(Kind.LINK, "feeder")}


def test_one_silent_end_of_a_tree_is_its_own() -> None:
    solver = Solver(tree())
    play(solver, [unreachable("ont2", 10.0, 4.0)], 400)
    assert hypotheses(solver) <= {Hypothesis(Kind.LINK, "drop2"), Hypothesis(Kind.NODE, "ont2")}


def test_what_silence_tells_of_is_known_once_something_else_speaks_for_it() -> None:
    reach = Reach(tree())
    reach.fail({"drop1"}, {"ont1"}, guessed=True)
    assert reach.cut_off(frozenset({"feeder"}), frozenset()) >= {"ont0", "ont1"}
    reach.confirm({"drop1"}, {"ont1"})
    assert "ont1" not in reach.cut_off(frozenset({"feeder"}), frozenset())
    reach.repair({"drop1"}, {"ont1"})
    assert reach.cut_off(frozenset({"feeder"}), frozenset()) >= {"ont0", "ont1"}


def test_an_island_of_the_inventory_is_tied_by_its_open_port() -> None:
    network = tree(tied=False)
    assert network.islands.gates == {"olt"}
    assert Reach(network).cut_off(frozenset({"feeder"}), frozenset()) == {"split", *(f"ont{n}" for n in range(4))}
    assert tree().islands.gates == frozenset()


def test_a_feeder_on_an_island_is_named() -> None:
    solver = Solver(tree(tied=False))
    play(solver, [lost("olt/feed", 5.0), *(unreachable(f"ont{n}", 10.0 + 15 * n, 4.5) for n in range(4))], 120)
    assert hypotheses(solver) == {Hypothesis(Kind.LINK, "feeder")}


def test_a_link_that_is_found_ties_an_island() -> None:
    network = tree(tied=False)
    assert network.islands.gates
    network.connect(Link("uplink", ("d0", "olt"), ("d0/up", "olt/up")))
    assert network.islands.gates == frozenset()
    assert network.distance["ont3"] == 3
    network.disconnect("uplink")
    assert network.islands.gates == {"olt"}


def chain() -> Network:
    """The station's d0 and four devices behind it in a row; each link lN joins ports of its devices and carries adjN."""
    resources: list[Json] = [{"id": f"d{n}", "kind": "device", "site": f"s{n}", "role": "access"} for n in range(5)]
    resources += [{"id": f"s{n}", "kind": "site"} for n in range(5)]
    for n in range(4):
        ports = [f"d{n}/p{n}", f"d{n + 1}/p{n}"]
        resources += [{"id": port, "kind": "port", "device": port.split("/")[0]} for port in ports]
        resources.append({"id": f"l{n}", "kind": "link", "devices": [f"d{n}", f"d{n + 1}"], "ports": ports})
        resources.append({"id": f"adj{n}", "kind": "adjacency", "link": f"l{n}"})
    return network_of_resources({"nms": "d0", "resources": resources})


def test_a_device_that_tells_of_its_restart_was_down_itself_and_not_cut_off() -> None:
    solver = Solver(chain())
    silence = [unreachable(f"d{n}", 20.0 + n, 10.0) for n in (2, 3, 4)]
    play(solver, [lost("d1/p1", 11.0), *silence, down("adj1", "d1", 14.0)], 200)
    assert hypotheses(solver) == {Hypothesis(Kind.LINK, "l1")}
    solver.feed(900.0, [Notice("up again", Key(Cause.RESTART, "d2", "d2"), False, 900.0, 900.0)])
    assert hypotheses(solver) == {Hypothesis(Kind.NODE, "d2")}
    assert not solver.situation.reach.devices_down


def test_a_device_that_forwards_nothing_and_still_answers_is_named() -> None:
    solver = Solver(chain())
    play(solver, [down("adj1", "d1", 14.0), unreachable("d4", 30.0, 10.0), unreachable("d3", 31.0, 10.0)], 300)
    assert hypotheses(solver) == {Hypothesis(Kind.SILENT, "d2")}


def test_what_is_forgotten_is_not_told_once_more_without_its_alarms() -> None:
    solver = Solver(chain())
    event = Notice("blip", Key(Cause.SIGNAL, "d1/p1", "d1"), False, 1.0, 1.0)
    solver.feed(1.0, [event, event._replace(cleared=True, arrived_s=2.0)])
    assert solver.feed(2_000.0, []) == []
    assert not solver.situation.incidents
