"""Texts of rules with the words of a message in them: `{name}`, `{name|other}`, `{index[-6:-2]}`.

Of several names the first that has a value; of a dotted value (an OID's instance) a slice of its arcs. Only names are
looked up: nothing of a value is obeyed, and what is not there is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """A name and the slice of its arcs, None for the whole value."""

    name: str
    arcs: slice | None = None

    def of(self, words: Mapping[str, str]) -> str:
        value = words.get(self.name, "")
        return ".".join(value.split(".")[self.arcs]) if self.arcs else value


@dataclass(frozen=True, slots=True)
class Template:
    """`literals` around `choices`: literals[0] choices[0] literals[1] ..."""

    literals: tuple[str, ...]
    choices: tuple[tuple[Word, ...], ...]

    def fill(self, words: Mapping[str, str]) -> str:
        out = [self.literals[0]]
        for choice, literal in zip(self.choices, self.literals[1:], strict=True):
            out.append(next((value for word in choice if (value := word.of(words))), ""))
            out.append(literal)
        return "".join(out)


def compile_template(text: str) -> Template:
    """The template of a rule's text; ValueError says what is wrong with it."""
    literals: list[str] = []
    choices: list[tuple[Word, ...]] = []
    rest = text
    while True:
        before, brace, rest = rest.partition("{")
        literals.append(before)
        if not brace:
            return Template(tuple(literals), tuple(choices))
        inside, brace, rest = rest.partition("}")
        if not brace or not inside:
            raise ValueError(f"{text!r}: `{{` begins a name that `}}` ends")
        choices.append(tuple(_word(part, text) for part in inside.split("|")))


def _word(part: str, text: str) -> Word:
    name, bracket, span = part.partition("[")
    if not bracket:
        return Word(name)
    low, colon, high = span.removesuffix("]").partition(":")
    try:
        ends = [int(end) if end else None for end in (low, high)]
    except ValueError as error:
        raise ValueError(f"{text!r}: a slice of arcs is two numbers, as in `{{index[-6:-2]}}`") from error
    if not colon or not span.endswith("]"):
        raise ValueError(f"{text!r}: a slice of arcs ends with `]`, as in `{{index[-6:-2]}}`")
    return Word(name, slice(*ends))
