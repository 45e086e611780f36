"""A cut lived through on virtual time: who says what and when, and who falls silent."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from simulator.build import build
from simulator.messages import syslog, trap
from simulator.network import BOOT_S, NS_PER_S, Network
from simulator.notices import Notice, Say
from simulator.reading import Snapshot
from simulator.stories import Stage, Step, Story, load
from simulator.traffic import Boots
from simulator.world import World

NOW_NS = 1_795_000_000 * NS_PER_S
WORLD = build(1, 60)


def network(world: World = WORLD) -> Network:
    return Network(world, Boots.of(world, NOW_NS, {}), NOW_NS)


def after(seconds: float) -> int:
    return NOW_NS + int(seconds * NS_PER_S)


def spoken(said: list[Notice]) -> Counter[tuple[str, str]]:
    return Counter((WORLD.devices[notice.device].name, notice.say.value) for notice in said)


def link(a: str, b: str) -> int:
    return WORLD.link_between(a, b).number


def test_a_ring_cut_is_told_by_both_ends_and_cuts_off_nobody() -> None:
    net = network()
    net.cut([link("ham-core-1", "ber-core-1")], NOW_NS)
    ends = ("ham-core-1", "ber-core-1")
    assert spoken(net.advance(after(60))) == {(end, say): 1 for end in ends for say in ("link_down", "lldp_changed", "ospf_down")}
    assert len(net.reachable) == 60 and net.lost == 0


def test_a_spur_cut_silences_what_is_behind_it_and_bgp_notices_after_its_hold_time() -> None:
    net = network()
    net.cut([link("ham-agg-1", "ham-acc-3")], NOW_NS)
    at_once = spoken(net.advance(after(29)))
    assert at_once == {("ham-agg-1", say): 1 for say in ("link_down", "lldp_changed", "ospf_down")}
    assert net.lost == 3
    assert {WORLD.devices[n].name for n in range(60) if n not in net.reachable} == {"ham-acc-3", "ham-acc-4"}
    assert spoken(net.advance(after(31))) == {("ham-core-1", "bgp_down"): 2, ("fra-core-1", "bgp_down"): 2}


def test_putting_a_link_back_clears_all_that_was_said() -> None:
    net = network()
    net.cut([link("ham-agg-1", "ham-acc-3")], NOW_NS)
    net.advance(after(40))
    net.restore([link("ham-agg-1", "ham-acc-3")], after(40))
    said = spoken(net.advance(after(60)))
    assert said[("ham-acc-3", "link_up")] == said[("ham-agg-1", "link_up")] == said[("ham-agg-1", "ospf_up")] == 1
    assert said[("ham-core-1", "bgp_up")] == 2
    assert len(net.reachable) == 60


def test_a_short_flap_never_reaches_full_ospf() -> None:
    net = network()
    for n in range(3):
        net.cut([link("ham-agg-1", "ham-acc-1")], after(4 * n))
        net.advance(after(4 * n + 2))
        net.restore([link("ham-agg-1", "ham-acc-1")], after(4 * n + 2))
        said = spoken(net.advance(after(4 * n + 4)))
        assert ("ham-agg-1", "ospf_up") not in said
    assert spoken(net.advance(after(30)))[("ham-agg-1", "ospf_up")] == 1


def test_a_dead_device_says_nothing_and_boots_with_counters_at_zero() -> None:
    net = network()
    device = WORLD.by_name["ham-agg-2"]
    net.kill([device.number], NOW_NS)
    assert not [notice for notice in net.advance(after(60)) if notice.device == device.number]
    net.revive([device.number], after(60))
    said = spoken(net.advance(after(60 + BOOT_S + 10)))
    assert said[("ham-agg-2", "cold_start")] == 1
    rows = np.array([interface.number for interface in device.interfaces])
    assert (net.traffic.octets(rows, after(60 + BOOT_S)) == 0).all()
    assert net.status.boots[device.number] == 4
    assert Snapshot(net, device, after(60 + BOOT_S + 1)).uptime_cs() == 100


def test_a_device_that_got_power_is_not_booted_when_it_was_killed_again() -> None:
    net = network()
    net.kill([5], NOW_NS)
    net.revive([5], after(1))
    net.advance(after(1 + BOOT_S))
    assert 5 in net.reachable
    net.kill([5], after(30))
    assert 5 not in net.reachable


def test_light_that_fades_raises_errors_warns_and_is_lost() -> None:
    net = network()
    weak = WORLD.link_between("ber-agg-1", "ber-agg-2")
    seen: list[tuple[float, int]] = []
    said: Counter[tuple[str, str]] = Counter()
    for n, loss_db in enumerate((0.0, 4.0, 8.0, 9.0, 16.0)):
        net.degrade(weak.number, loss_db, after(30 * n))
        said += spoken(net.advance(after(30 * n + 29)))
        errors = net.status.errors[weak.a.interface].at(after(30 * n + 29))
        seen.append((net.rx_dbm(weak.a.interface), errors))
    assert [dbm for dbm, _ in seen] == sorted((dbm for dbm, _ in seen), reverse=True)
    assert seen[0][1] == 0 < seen[-1][1]
    assert said[("ber-agg-1", "rx_power_low")] == said[("ber-agg-1", "link_down")] == 1
    net.restore([weak.number], after(200))
    again = spoken(net.advance(after(220)))
    assert again[("ber-agg-1", "rx_power_ok")] == again[("ber-agg-1", "link_up")] == 1


def test_cleared_counters_show_their_discontinuity() -> None:
    net = network()
    device = WORLD.by_name["ber-acc-2"]
    port = WORLD.interface("ber-acc-2", "ge-0/1/0")
    net.clear_counters(port.number, after(10))
    row = port.number - device.interfaces[0].number
    snapshot = Snapshot(net, device, after(12))
    assert snapshot.discontinuity_cs(row) == snapshot.uptime_cs() - 200
    assert 0 < snapshot.octets(row, 0) < 10**9


@pytest.mark.slow
def test_every_story_plays_to_its_end_with_messages_for_all_that_is_said() -> None:
    stories, scripts = load()
    assert [script.story for script in scripts] == ["fibre cut Hamburg-Berlin"]
    for story in stories:
        net = network()
        stage = Stage(net, stories)
        stage.play(story.name, NOW_NS)
        said = net.advance(after(600))
        assert [event.text for event in stage.announcements] == [step.text for step in story.steps if step.text]
        assert not net.cuts and not net.dead and len(net.reachable) == 60
        for notice in said:
            assert trap(net, notice)[1][1].startswith(b"\x06")
            line = syslog(net, notice)
            assert (line is None) == (notice.say is Say.LLDP_CHANGED)


def test_a_story_about_what_does_not_exist_is_not_offered() -> None:
    elsewhere = Story("elsewhere", "", (Step(0, "kill", device="muc-core-1"),))
    assert Stage(network(), (elsewhere,)).stories == {}


def test_a_story_with_an_unknown_action_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "stories.toml"
    path.write_text('[[stories]]\nname = "x"\nsummary = ""\nsteps = [{ at_s = 0, do = "explode" }]\n')
    with pytest.raises(ValueError, match="explode"):
        load(path)
