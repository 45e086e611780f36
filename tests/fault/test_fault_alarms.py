"""The state machine of one alarm, and what must hold of it whatever arrives."""

from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fault.alarm_types import alarm_types
from fault.alarms import Alarm, AlarmBook, Change, Severity, Shelf
from fault.settings import FaultSettings
from station.batch import Event
from tests.fault.network import LINK_DOWN, at, down, event, somewhere, up


def book(**other: int) -> AlarmBook:
    return AlarmBook(FaultSettings(**other), alarm_types(), 1)


def play(it: AlarmBook, *events: Event) -> list[Change]:
    changes: list[Change] = []
    for one in events:
        changes += it.tick(one.time_ns)
        changes += it.apply(one, somewhere, one.time_ns)[0]
    return changes


def only(it: AlarmBook) -> Alarm:
    (alarm,) = it.alarms.values()
    return alarm


def whats(changes: list[Change]) -> list[str]:
    return [change.what for change in changes]


def test_a_raise_and_its_clear_are_one_alarm() -> None:
    it = book()
    changes = play(it, down(t=0), up(t=5))
    assert [(c.what, c.announce, c.is_cleared, c.seq) for c in changes] == [("raised", True, False, 1), ("cleared", True, True, 2)]
    assert (only(it).is_cleared, only(it).cleared_ns, only(it).severity) == (True, at(5), Severity.MAJOR)


def test_the_words_of_x733_come_from_the_inventory_of_types() -> None:
    it = book()
    play(it, down())
    assert (only(it).probable_cause, only(it).event_type) == ("lossOfSignal", "communicationsAlarm")


def test_repeats_are_counted_and_change_nothing_else() -> None:
    it = book()
    changes = play(it, down(t=0), down(t=1), down(t=2))
    assert whats(changes) == ["raised"]
    assert (only(it).count, only(it).raised_ns, only(it).heard_ns) == (3, at(0), at(2))


def test_severity_changes_with_a_trend_and_is_kept_after_the_clear() -> None:
    it = book()
    changes = play(it, down(t=0), event("if-r1-1", "critical", 1))
    assert (whats(changes), only(it).trend) == (["raised", "severity"], "moreSevere")
    assert whats(play(it, event("if-r1-1", "minor", 2), up(t=3))) == ["severity", "cleared"]
    assert (only(it).trend, only(it).severity.word) == ("lessSevere", "minor")


def test_an_unknown_severity_becomes_indeterminate() -> None:
    it = book()
    play(it, event("if-r1-1", "catastrophic"))
    assert only(it).severity is Severity.INDETERMINATE


def test_a_quick_raise_reopens_and_a_late_one_begins_anew() -> None:
    it = book()
    changes = play(it, down(t=0), down(t=1), up(t=2), down(t=10), up(t=20), down(t=2000))
    assert whats(changes) == ["raised", "cleared", "reopened", "cleared", "raised"]
    assert len({c.alarm_id for c in changes}) == 1
    assert [c.occurrence for c in changes] == [1, 1, 2, 2, 3]


def test_a_late_raise_that_is_still_remembered_counts_from_one() -> None:
    it = book(memory_after_clear_s=10_000)
    play(it, down(t=0), down(t=1), up(t=2), down(t=2000))
    assert (only(it).occurrence, only(it).count, only(it).created_ns, only(it).raised_ns) == (2, 1, at(0), at(2000))


def test_acknowledged_until_the_clear_and_armed_again() -> None:
    it = book()
    play(it, down(t=0))
    it.acknowledge(only(it), "ito", at(1), "")
    play(it, up(t=2))
    assert only(it).ack_user == "ito"
    play(it, down(t=3))
    assert not only(it).acknowledged


def test_chatter_is_marked_counted_and_not_announced_again() -> None:
    it = book()
    flaps = [change for n in range(8) for change in play(it, down(t=20 * n), up(t=20 * n + 10))]
    assert [c.what for c in flaps if c.announce] == ["raised", "cleared", "reopened", "cleared", "reopened", "cleared"]
    assert whats(flaps).count("chattering") == 1 and only(it).chattering and only(it).occurrence == 8
    assert it.tick(at(20 * 7 + 299)) == [] and only(it).chattering
    assert it.tick(at(20 * 7 + 301)) == [] and not only(it).chattering  # told cleared, and it is


def test_the_state_that_damping_held_back_is_announced_when_it_calms() -> None:
    it = book()
    play(it, *(one for n in range(4) for one in (down(t=10 * n), up(t=10 * n + 5))), down(t=45))
    assert only(it).chattering and only(it).told == 0
    (settled,) = it.tick(at(45 + 301))
    assert (settled.what, settled.announce, settled.is_cleared) == ("settled", True, False)


def test_shelving_holds_back_a_raise_never_a_resolution() -> None:
    it = book()
    play(it, down(t=0))
    it.shelve(only(it), Shelf("planned work", "ito", at(100)), at(1))
    (cleared,) = play(it, up(t=2))
    (again,) = play(it, down(t=3))
    assert (cleared.announce, again.announce) == (True, False)
    (returned,) = it.tick(at(101))
    assert (returned.what, returned.by, returned.announce, returned.is_cleared) == ("returned", "ito", True, False)
    assert only(it).shelf is None


def test_a_stale_clear_does_not_undo_a_newer_raise() -> None:
    it = book()
    assert whats(play(it, down(t=10), up(t=9))) == ["raised"]
    assert whats(play(it, up(t=11), down(t=10.5))) == ["cleared"]


def test_an_unauthenticated_clear_is_only_a_claim() -> None:
    it = book()
    play(it, down(t=0))
    changes, claim = it.apply(up(t=1, authenticated=False), somewhere, at(1))
    assert (changes, claim is not None and claim.time_ns, only(it).is_cleared) == ([], at(1), False)
    assert only(it).claimed_ns == at(1)
    play(it, down(t=2))
    assert only(it).claimed_ns == 0


def test_an_unauthenticated_message_does_not_talk_a_proven_alarm_down() -> None:
    it = book()
    play(it, down(t=0), event("if-r1-1", "warning", 1, authenticated=False))
    assert only(it).severity is Severity.MAJOR


def test_a_state_that_nothing_clears_ends_by_time() -> None:
    it = book()
    play(it, event("dev-r1", "warning", 0, "equipment.restarted"), event("dev-r1", "warning", 100, "equipment.restarted"))
    assert it.tick(at(999)) == []
    (ended,) = it.tick(at(1001))
    assert (ended.what, ended.by, ended.time_ns) == ("cleared", "time", at(1000))


def test_a_cleared_alarm_leaves_memory_after_a_while() -> None:
    it = book()
    play(it, down(t=0), up(t=1))
    it.changed.clear()
    it.tick(at(1000))
    assert it.alarms == {} and it.active == 0


def test_more_alarms_than_the_limit_are_refused_and_counted() -> None:
    it = book(active_alarms_max=1)
    assert whats(play(it, down("a"), down("b"))) == ["raised"]


def test_hostile_text_is_bounded() -> None:
    it = book()
    play(it, down(text="x" * 5000 + "\0"))
    assert len(only(it).text) == 1024


MOVES = st.lists(
    st.tuples(
        st.integers(0, 120),
        st.sampled_from(["down", "worse", "up", "forged up", "forged down", "ack", "unack", "shelve", "unshelve", "comment", "clear"]),
    ),
    max_size=60,
)


def moved(it: AlarmBook, move: str, t: int) -> list[Change]:
    """One step; actions need the alarm to exist."""
    if move in ("down", "worse", "up", "forged up", "forged down"):
        severity = {"down": "major", "worse": "critical", "up": "cleared", "forged up": "cleared", "forged down": "major"}[move]
        return it.apply(event("if-r1-1", severity, t, authenticated=not move.startswith("forged")), somewhere, at(t))[0]
    if not it.alarms:
        return []
    alarm, now = only(it), at(t)
    acts = {
        "ack": lambda: [it.acknowledge(alarm, "ito", now, "")],
        "unack": lambda: [it.unacknowledge(alarm, "ito", now, "")],
        "shelve": lambda: [it.shelve(alarm, Shelf("why", "ito", now + at(200) - at(0)), now)],
        "unshelve": lambda: it.unshelve(alarm, "ito", now),
        "comment": lambda: [it.comment(alarm, "ito", now, "hm")],
        "clear": lambda: it.end(alarm.id, now, now, by="ito", text=""),
    }
    return acts[move]()


@settings(max_examples=200, deadline=None)
@given(MOVES)
def test_whatever_happens_the_outside_is_told_the_truth_in_the_end(moves: list[tuple[int, str]]) -> None:
    """Announcements alternate sensibly, history is gapless, and at rest what was told is what is."""
    it, t, changes = book(memory_after_clear_s=10**6), 0, []
    for pause, move in moves:
        t += pause
        changes += it.tick(at(t))
        changes += moved(it, move, t)
        assert it.active == sum(not alarm.is_cleared for alarm in it.alarms.values())
    changes += it.tick(at(t + 1_000))
    assert [c.seq for c in changes] == list(range(1, len(changes) + 1))
    told = 0
    for change in (c for c in changes if c.announce and c.what not in ("acknowledged", "unacknowledged")):
        state = 0 if change.is_cleared else int(change.severity)
        assert state != told, "the same state was told twice"
        told = state
    for alarm in it.alarms.values():
        assert told == alarm.told == alarm.actual and not alarm.chattering and alarm.shelf is None
        assert alarm.occurrence == sum(c.what in ("raised", "reopened") for c in changes)


@settings(max_examples=100, deadline=None)
@given(MOVES)
def test_a_replay_gives_the_same_alarms_and_the_same_history(moves: list[tuple[int, str]]) -> None:
    def run() -> tuple[list[Change], list[dict[str, object]]]:
        it, t, changes = book(memory_after_clear_s=10**6), 0, []
        for pause, move in moves:
            t += pause
            changes += it.tick(at(t)) + moved(it, move, t)
        return changes, [asdict(alarm) for alarm in it.alarms.values()]

    assert run() == run()


def test_the_id_names_the_key() -> None:
    one, two = book(), book()
    play(one, down(t=0))
    play(two, down(t=99))
    assert only(one).id == only(two).id
    play(two, down(t=99, qualifier="x"), down("if-r1-2", t=99))
    assert len(two.alarms) == 3


@pytest.mark.parametrize("name", sorted(alarm_types()))
def test_every_alarm_type_is_complete(name: str) -> None:
    kind = alarm_types()[name]
    assert kind.summary.endswith(".") and kind.severity in {s.word for s in Severity}
    assert (kind.verified_by == "none") == (kind.clear_after_s > 0)


def test_link_down_is_a_known_type() -> None:
    assert LINK_DOWN in alarm_types()
