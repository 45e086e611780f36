"""Every sample of every syslog rule, and what the rules do with lines that nobody expected."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.codecs.syslog import SyslogMessage, decode
from collectors.syslog_rules import SHAPES_MAX, SyslogRuleError, SyslogRules, compiled, events_of, load, syslog_rules
from fault.rules import load_rules
from station.data import data_dir

FILES = sorted((data_dir("config") / "syslog_rules").glob("*.toml"))
RULES = syslog_rules()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_sample_is_read_as_it_says_with_all_rules_together(path: Path) -> None:
    for rule in load(path):
        assert rule.samples, rule.pattern.pattern
        for sample in rule.samples:
            assert RULES.meaning(decode(sample.line.encode())) == (sample.event, sample.fields), sample.line


def test_there_is_a_rule_for_whatever_an_operator_owns() -> None:
    assert len(RULES.rules) >= 300


def test_every_event_has_a_meaning_for_the_alarms() -> None:
    known = {name for rule in load_rules() if rule.protocol == "syslog" for name in rule.names}
    assert events_of(RULES.rules) - known == set()


@pytest.mark.parametrize(
    ("template", "text", "words"),
    [
        ("Nbr {neighbour} on {ifName} {*}to {state:FULL}", "Nbr 192.0.2.1 on Gi0/1 from INIT to FULL", ("192.0.2.1", "Gi0/1", "FULL")),
        ("port {ifName} is {state:up|down}", "PORT  1/2 is\tDown.", ("1/2", "Down")),
        ("peer {neighbour}{*}is {state:up|down}", "peer 2001:db8::1 (id 5) is up", ("2001:db8::1", "up")),
        ("fan {n}", "fan 3: stopped", ("3",)),
    ],
)  # fmt: skip
def test_holes_hold_words_and_case_and_space_do_not_matter(template: str, text: str, words: tuple[str, ...]) -> None:
    found = compiled(template)[0].search(text)
    assert found is not None
    assert found.groups() == words


def test_half_a_word_is_no_word() -> None:
    assert compiled("is {state:up|down}")[0].search("is upside") is None


@pytest.mark.parametrize(
    "bad",
    [
        '[[rules]]\nmatch = "{x"\nsamples = []',
        '[[rules]]\nmatch = "ab {x}"\nsamples = []',
        '[[rules]]\nkey = ["A"]\nsamples = []',
        "rules = 1",
    ],
)
def test_a_bad_rule_is_refused_with_its_file(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(bad)
    with pytest.raises(SyslogRuleError, match=r"bad\.toml"):
        load(path)


@given(st.text(max_size=600))
def test_any_text_has_a_meaning_or_none(text: str) -> None:
    SyslogRules(RULES.rules[:40]).meaning(SyslogMessage(1, "notice", "", "", "", "", text))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 9), st.integers(0, 9)), max_size=6))
def test_what_was_learnt_of_a_shape_changes_no_meaning(picks: list[tuple[int, int, int]]) -> None:
    samples = [sample.line for rule in RULES.rules for sample in rule.samples]
    for n, digit, other in picks:
        line = samples[n % len(samples)].replace(str(digit), str(other))
        message = decode(line.encode())
        assert RULES.meaning(message) == SyslogRules(RULES.rules).meaning(message)


def test_shapes_are_bounded() -> None:
    rules = SyslogRules(RULES.rules[:2])
    for n in range(SHAPES_MAX + 10):
        rules.meaning(SyslogMessage(1, "notice", "", "", "", "", "x" * (n % 900) + chr(0x4E00 + n)))
    assert len(rules.shapes) == 10


@pytest.mark.parametrize(
    "evil", ["%LINK-3-UPDOWN: " + "Interface " * 800, "Interface a" * 700, " from " * 1300, "a" * 8000, "%" * 8000, "A_B " * 2000]
)
def test_no_line_costs_much(evil: str) -> None:
    began = time.process_time()
    RULES.meaning(SyslogMessage(1, "notice", "", "", "", "", evil))
    assert time.process_time() - began < 0.25
