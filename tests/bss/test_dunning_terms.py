"""What dunning does when is data, and each file says by examples what it comes to."""

from pathlib import Path

import pytest

from bss.dunning.terms import ExampleDunning, Terms, lived, load_terms, shipped
from station.settings import SettingsError

EXAMPLES = [pytest.param(terms, one, id=f"{name}-{one.says}") for name, terms in shipped().items() for one in terms.examples]


@pytest.mark.parametrize(("terms", "example"), EXAMPLES)
def test_every_example_of_every_dunning_policy_holds(terms: Terms, example: ExampleDunning) -> None:
    assert lived(terms, example) == list(example.expect)


@pytest.mark.parametrize("terms", shipped().values(), ids=shipped())
def test_every_dunning_policy_has_an_example_that_acts_and_one_that_does_not(terms: Terms) -> None:
    assert any(one.expect for one in terms.examples) and any(not one.expect for one in terms.examples)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('summary="x"\nfloor=1\n[[stages]]\nname="a"\nact="suspend"\nafter_days=1', "floor_minor"),
        ('summary="x"\n[[stages]]\nname="a"\nact="cut"\nafter_days=1', "act"),
        ('summary="x"\n[[stages]]\nname="a"\nact="notice"\nafter_days=1', "subject"),
        ('summary="x"\n[[stages]]\nname="a"\nact="notice"\nafter_days=1\nsubject="$who"\ntext="x"', r"\$name"),
        ('summary="x"\n[[stages]]\nname="a"\nact="suspend"\nafter_days=9\n[[stages]]\nname="b"\nact="suspend"\nafter_days=3', "order"),
    ],
)
def test_a_policy_that_is_wrong_is_refused_with_its_file_and_key(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(SettingsError, match=says) as refused:
        load_terms(tmp_path / "bad.toml")
    assert "bad.toml" in str(refused.value)
