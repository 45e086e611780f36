"""Settings say exactly what is wrong: file, line, key, what was expected, the nearest name."""

from pathlib import Path

import pytest

from station.settings import Settings, SettingsError, load
from station.toml_positions import positions


class Poll(Settings):
    interval_s: float = 30.0
    retries: int = 2


class Route(Settings):
    name: str
    url: str = ""


class Station(Settings):
    poll: Poll = Poll()
    routes: tuple[Route, ...] = ()
    ranges: tuple[str, ...] = ()


def faults(tmp_path: Path, text: str, **environ: str) -> list[str]:
    path = tmp_path / "station.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(Station, path, environ)
    return [str(fault).replace(str(path), "F") for fault in caught.value.faults]


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    assert faults(tmp_path, "[poll]\nretries = 1\nintervall_s = 3\n") == ["F:3: poll.intervall_s: unknown key; did you mean 'interval_s'?"]


def test_a_wrong_type_names_what_was_expected_and_given(tmp_path: Path) -> None:
    (said,) = faults(tmp_path, '\n[poll]\nretries = "many"\n')
    assert said.startswith("F:3: poll.retries: input should be a valid integer") and said.endswith("got 'many'")


def test_dotted_keys_have_their_line(tmp_path: Path) -> None:
    assert faults(tmp_path, "# a comment\n\npoll.retrys = 1\n") == ["F:3: poll.retrys: unknown key; did you mean 'retries'?"]


def test_arrays_of_tables_have_the_line_of_their_element(tmp_path: Path) -> None:
    text = '[[routes]]\nname = "a"\n\n[[routes]]\nurl = "x"\n\n[[routes]]\nname = "b"\nurk = "y"\n'
    assert faults(tmp_path, text) == ["F:4: routes.1.name: is required", "F:9: routes.2.urk: unknown key; did you mean 'url'?"]


def test_a_wrong_element_of_an_array_has_its_own_line(tmp_path: Path) -> None:
    (said,) = faults(tmp_path, 'ranges = [\n  "192.0.2.0/24",\n  7,\n]\n')
    assert said.startswith("F:3: ranges.1: input should be a valid string")


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    assert len(faults(tmp_path, "[poll]\nretries = []\ninterval_s = []\nnope = 1\n")) == 3


def test_text_that_is_no_toml_names_the_line(tmp_path: Path) -> None:
    (said,) = faults(tmp_path, "[poll]\nretries = = 1\n")
    assert said.startswith("F:2: is not TOML")


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_text("")
    with pytest.raises(SettingsError, match=r"no such file; did you mean .*/station.toml\?"):
        load(Station, tmp_path / "staton.toml", {})


def test_the_environment_overrides_and_is_named_when_wrong(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text("[poll]\nretries = 1\n")
    assert load(Station, path, {"TRUNKLINE_POLL__RETRIES": "5"}).poll.retries == 5
    (said,) = faults(tmp_path, "", TRUNKLINE_POLL__RETRIES="many")
    assert said.startswith("TRUNKLINE_POLL__RETRIES: poll.retries: input should be a valid integer")


def test_a_value_comes_from_the_file_that_the_environment_names(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("7\n")
    assert load(Station, None, {"TRUNKLINE_POLL__RETRIES_FILE": str(tmp_path / "secret")}).poll.retries == 7


def test_positions_of_nested_tables_in_arrays_of_tables() -> None:
    text = "[[a]]\nn = 1\n[[a]]\nb.c = 2\n[a.sub]\nk = { x = 1,\n y = 2 }\n[[a.deep]]\nm = 1\n"
    found = positions(text)
    assert found["a", 1, "b", "c"] == 4
    assert found["a", 1, "sub", "k", "y"] == 7
    assert found["a", 1, "deep", 0, "m"] == 9
