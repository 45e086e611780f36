"""The rules' own examples, and what rules do with senders and texts that nobody expected."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from collectors.mibs import shipped_mibs
from fault.alarm_types import alarm_types
from fault.patterns import compile_pattern
from fault.resources import Resources
from fault.rules import Rule, RuleFileError, Rules, load_file, load_rules
from fault.templates import compile_template
from station.batch import Notification
from station.data import data_dir
from tests.fault.network import NETWORK, at

FILES = sorted((data_dir("config") / "alarm_rules").glob("*.toml"))
RULES = Rules(load_rules())
HERE = Resources(NETWORK)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_example_holds_with_all_rules_together(path: Path) -> None:
    for example in load_file(path).examples:
        heard = [Notification(at(0), "127.64.0.1", 1, m.protocol, m.name, m.text, m.fields) for m in example.messages]
        events, _ = RULES.events(heard, HERE)
        expected = [(e.resource, e.alarm_type, e.severity, e.qualifier) for e in example.expect]
        assert [(e.resource, e.alarm_type, e.severity, e.qualifier) for e in events] == expected, example.says


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_rule_names_a_known_type(path: Path) -> None:
    file = load_file(path)
    assert file.examples
    assert {rule.alarm_type for rule in file.rules if rule.alarm_type} <= alarm_types().keys()


def test_an_unknown_sender_gives_no_event() -> None:
    assert RULES.events([Notification(at(0), "203.0.113.9", 0, "snmp_trap", "linkDown")], HERE) == ([], set())


def test_a_sender_is_found_by_its_address_and_stays_unauthenticated() -> None:
    (event,), _ = RULES.events([Notification(at(0), "127.64.0.1", 0, "snmp_trap", "linkDown", fields={"ifIndex": "101"})], HERE)
    assert (event.resource, event.authenticated) == ("if-r1-1", False)


def test_a_change_of_neighbours_asks_for_a_poll() -> None:
    assert RULES.events([Notification(at(0), "127.64.0.1", 1, "snmp_trap", "lldpRemTablesChange")], HERE) == ([], {1})


BAD = """summary = "x"
reference = "y"
examples = []

[[rules]]
protocol = "syslog"
alarm_type = "communications.link_dwn"
severity = "major"

[[rules]]
protocol = "syslog"
sevrity = "major"
severity = "verify"
pattern = "{everything}"
"""


def test_bad_files_are_refused_as_a_set_each_fault_with_file_line_and_key(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(BAD)
    (tmp_path / "b.toml").write_text("summary = = 1\n")
    (tmp_path / "good.toml").write_text((data_dir("config") / "alarm_rules" / "ups.toml").read_text())
    with pytest.raises(RuleFileError) as refused:
        load_rules(tmp_path)
    found = [(Path(fault.where).name, fault.line, fault.key) for fault in refused.value.faults]
    assert found == [
        ("a.toml", 7, "rules.0.alarm_type"),
        ("a.toml", 14, "rules.1.pattern"),
        ("a.toml", 12, "rules.1.sevrity"),
        ("b.toml", 1, ""),
    ]
    assert [word for word in ("did you mean 'communications.link_down'", "did you mean 'severity'") if word in str(refused.value)] != []


@pytest.mark.parametrize("wrong", [{"probable_cause": "gremlins"}, {"severity": "fatal"}, {"severity": "verify"}, {"alarm_type": ""}])
def test_a_rule_that_says_nothing_sound_is_refused(wrong: dict[str, str]) -> None:
    sound = {"protocol": "syslog", "alarm_type": "communications.link_down", "severity": "major", "probable_cause": "lossOfSignal"}
    assert Rule.model_validate(sound)
    with pytest.raises(ValidationError):
        Rule.model_validate(sound | wrong)


def test_an_unknown_notification_keeps_its_raw_text() -> None:
    heard = Notification(at(0), "127.64.0.1", 1, "snmp_trap", "1.3.6.1.4.1.9.9.9", fields={"1.3.6.1.4.1.9.1": "<b>odd</b>"})
    (event,), ask = RULES.events([heard], HERE)
    assert (event.resource, event.severity, event.text) == ("dev-r1", "indeterminate", "1.3.6.1.4.1.9.9.9: 1.3.6.1.4.1.9.1=<b>odd</b>")
    assert (event.probable_cause, ask) == ("indeterminate", set())


@given(st.text(max_size=300), st.dictionaries(st.sampled_from(["ifIndex", "ifName", "x"]), st.text(max_size=50)))
def test_any_message_gives_an_event_or_nothing(text: str, fields: dict[str, str]) -> None:
    heard = [Notification(at(0), "127.64.0.1", 1, protocol, "linkDown", text, fields) for protocol in ("syslog", "snmp_trap")]
    events, _ = RULES.events(heard, HERE)
    assert len(events) <= 2


@pytest.mark.parametrize("bad", ["{a}", "x{a}{b}", "x{a", "x{1a}"])
def test_a_pattern_that_could_mean_anything_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match=r"\{"):
        compile_pattern(bad)


def test_a_pattern_captures_words_between_its_literals() -> None:
    it = compile_pattern("Nbr {neighbour}({*} on {port}: ")
    assert it.match("x Nbr 10.0.0.1(vrf a) on eth0: Full") == {"neighbour": "10.0.0.1", "port": "eth0"}
    assert it.match("Nbr two words(v) on eth0: Full") is None


def test_every_notification_that_a_rule_names_is_in_a_shipped_module_or_an_oid() -> None:
    mibs = shipped_mibs()
    named = {name for rule in load_rules() if rule.protocol == "snmp_trap" for name in rule.names}
    assert {
        name for name in named if not name[0].isdigit() and mibs.resolve(name) and mibs.notification(mibs.resolve(name)) != name
    } == set()


def test_every_state_that_a_rule_raises_can_end() -> None:
    types, rules = alarm_types(), load_rules()
    clears = {rule.alarm_type for rule in rules if rule.severity == "cleared"}
    lasting = {rule.alarm_type for rule in rules if rule.alarm_type and types[rule.alarm_type].clear_after_s == 0}
    assert lasting <= clears


def test_any_field_may_hold_what_no_module_names() -> None:
    fields = {"index": "1.2", "1.3.6.1.4.1.6527.3.1.2.2.1.9.0": "1.3.6.1.4.1.6527.3.1.3.2.1.0.6"}
    (event,), _ = RULES.events([Notification(at(0), "127.64.0.1", 1, "snmp_trap", "tmnxChassisNotificationClear", fields=fields)], HERE)
    assert (event.alarm_type, event.severity, event.qualifier) == ("equipment.fan_failed", "cleared", "1.2")


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("bgp {peer|index}", "bgp 4.5.6"),
        ("{index[1:]}", "5.6"),
        ("{index[-2:-1]} of {name}", "5 of a {b}"),
        ("{none}{none|name}", "a {b}"),
        ("plain", "plain"),
        ("{index[7:]}", ""),
    ],
)
def test_a_template_takes_the_first_name_that_has_a_value(template: str, filled: str) -> None:
    assert compile_template(template).fill({"index": "4.5.6", "name": "a {b}", "peer": ""}) == filled


@pytest.mark.parametrize("bad", ["{", "{}", "{a[1]}", "{a[x:]}", "{a[1:"])
def test_a_template_that_cannot_be_read_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match=r"`"):
        compile_template(bad)


def test_every_notification_of_the_shipped_modules_has_a_rule() -> None:
    rules = {name for rule in load_rules() if rule.protocol == "snmp_trap" for name in rule.names}
    modules = [json.loads(path.read_text()) for path in sorted(data_dir("mibs").glob("*.json"))]
    told = {name: said["oid"] for module in modules for name, said in module.get("notifications", {}).items()}
    assert len(told) > 300
    assert {name for name, oid in told.items() if name not in rules and oid not in rules} == set()


def test_an_interface_is_found_by_the_instance_where_a_rule_says_so() -> None:
    said = [
        Notification(at(0), "127.64.0.1", 1, "snmp_trap", "adslAtucPerfESsThreshTrap", fields={"index": each}) for each in ("101", "102.3")
    ]
    events, _ = RULES.events(said, HERE)
    assert [event.resource for event in events] == ["if-r1-1", "if-r1-2"]
