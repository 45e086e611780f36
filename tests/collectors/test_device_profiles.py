"""Device profiles against recordings: discovery and one poll over UDP, everything found compared with what must be."""

from itertools import pairwise
from pathlib import Path

import pytest

from collectors.codecs.ber import OBJECT_IDENTIFIER, OCTET_STRING, Oid, parse_oid
from collectors.codecs.snmp import TIME_TICKS, Value, VarBind
from collectors.recording import look_and_poll, read_recording
from collectors.snmp.profile_model import Example, Profile, Where
from collectors.snmp.profiles import ProfileError, load_profile, shipped_profiles
from inventory.facts import DeviceFacts

PROFILES = shipped_profiles()
EXAMPLES = [(profile, example) for profile in PROFILES.by_name.values() for example in profile.examples]


def text_cell(oid: str, value: Value, tag: int = OCTET_STRING) -> VarBind:
    """One variable, by default text."""
    return VarBind(parse_oid(oid), tag, value.encode() if isinstance(value, str) and tag == OCTET_STRING else value)


def cells_of(example: Example) -> dict[Oid, VarBind]:
    system = [
        text_cell("1.3.6.1.2.1.1.1.0", example.sys_descr),
        VarBind(parse_oid("1.3.6.1.2.1.1.2.0"), OBJECT_IDENTIFIER, parse_oid(example.sys_object_id)),
        VarBind(parse_oid("1.3.6.1.2.1.1.3.0"), TIME_TICKS, 4711),
        text_cell("1.3.6.1.2.1.1.5.0", "recorded"),
    ]
    return read_recording(example.recording) | {cell.oid: cell for cell in system}


@pytest.mark.parametrize(("profile", "example"), EXAMPLES, ids=lambda value: value.says if isinstance(value, Example) else value.name)
async def test_every_example_of_every_profile_gives_what_it_must_over_the_wire(profile: Profile, example: Example) -> None:
    facts, found = await look_and_poll(cells_of(example), PROFILES)
    assert isinstance(facts, DeviceFacts), facts
    if example.expect:
        assert facts.profile == (profile.name if profile.match or not profile.everywhere else "generic")
    assert found == pytest.approx(dict(example.expect), rel=1e-6)
    assert (facts.model if example.model else "", facts.serial if example.serial else "") == (example.model, example.serial)


@pytest.mark.parametrize("profile", PROFILES.by_name.values(), ids=lambda profile: profile.name)
def test_every_profile_has_an_example_that_acts(profile: Profile) -> None:
    assert any(example.expect for example in profile.examples)


def test_no_two_profiles_claim_a_device_alike() -> None:
    claims = sorted((prefix, p.descr, p.probes, p.name) for p in PROFILES.by_name.values() for prefix in p.match)
    assert [(a, b) for a, b in pairwise(claims) if a[:3] == b[:3]] == []


def test_a_fault_in_a_profile_names_file_line_and_key(tmp_path: Path) -> None:
    path = tmp_path / "acme.toml"
    path.write_text('summary = "x"\n\n[[sensors]]\nmetric = "sensor.temperature"\noid = "1.3.6.1.4.1.1"\nscal = 0.1\n')
    with pytest.raises(ProfileError) as raised:
        load_profile(path)
    assert str(raised.value) == f"{path}:6: sensors.0.scal: unknown key; did you mean 'scale'?"


LAYOUT = """summary = "x"
match = ["1.3.6.1.4.1.5"]
bases = ["1.3.6.1.4.1.5.1", "1.3.6.1.4.1.5.2"]

[[sensors]]
metric = "sensor.temperature"
oid = "*.7"
name_oid = "*.6"
where = { oid = "*.6", matches = '\\btemp' }

[[sensors]]
metric = "sensor.fan_speed"
oid = "1.3.6.1.4.1.5.9"
"""


def test_a_layout_written_once_stands_under_every_base(tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(LAYOUT)
    profile = load_profile(tmp_path / "acme.toml")
    bases = [parse_oid("1.3.6.1.4.1.5.1"), parse_oid("1.3.6.1.4.1.5.2")]
    assert [table.key for table in profile.sensors] == [(*bases[0], 7), (*bases[1], 7), parse_oid("1.3.6.1.4.1.5.9")]
    assert [table.asked[-1] for table in profile.sensors[:2]] == [(*base, 6) for base in bases]


def test_a_device_that_says_its_base_is_asked_for_no_other(tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(LAYOUT)
    profile = load_profile(tmp_path / "acme.toml")
    asked = {text: [table.key for table in profile.under(parse_oid(text)).sensors] for text in ("1.3.6.1.4.1.5.2.44", "1.3.6.1.4.1.5.3")}
    assert asked["1.3.6.1.4.1.5.2.44"] == [parse_oid("1.3.6.1.4.1.5.2.7"), parse_oid("1.3.6.1.4.1.5.9")]
    assert len(asked["1.3.6.1.4.1.5.3"]) == 3


@pytest.mark.parametrize(("name", "wanted"), [("MB Temp 1", True), ("temp", True), ("Contempt", False), ("", False)])
def test_what_a_name_looks_like_picks_the_instance(name: str, wanted: bool) -> None:
    assert Where(oid=parse_oid("1.3.6"), matches=r"\btemp").admits(name) is wanted
