"""Text patterns without a regular expression: literal text with `{name}` captures and `{*}`, matched in linear time.

A capture ends where the next literal first begins and holds no space unless it is the last or `{*}`. The
pattern may begin anywhere in the text and need not reach its end.
"""

from dataclasses import dataclass

TEXT_CHARS_MAX = 1_024
CAPTURE_CHARS_MAX = 255
STARTS_MAX = 8


@dataclass(frozen=True, slots=True)
class Pattern:
    """`literals` around `names`: literals[0] names[0] literals[1] ...; name "*" is any text."""

    literals: tuple[str, ...]
    names: tuple[str, ...]

    def match(self, text: str) -> dict[str, str] | None:
        """The captures, or None. Tries the first few places where the first literal stands."""
        text = text[:TEXT_CHARS_MAX]
        start = text.find(self.literals[0])
        for _ in range(STARTS_MAX):
            if start < 0:
                return None
            found = self._from(text, start + len(self.literals[0]))
            if found is not None:
                return found
            start = text.find(self.literals[0], start + 1)
        return None

    def _from(self, text: str, at: int) -> dict[str, str] | None:
        found: dict[str, str] = {}
        for name, literal in zip(self.names, self.literals[1:], strict=True):
            end = text.find(literal, at) if literal else _word_end(text, at) if name != "*" else len(text)
            value = text[at:end] if end >= 0 else ""
            if end < 0 or (name != "*" and (not value or " " in value or len(value) > CAPTURE_CHARS_MAX)):
                return None
            found[name] = value
            at = end + len(literal)
        found.pop("*", None)
        return found


def _word_end(text: str, at: int) -> int:
    """Where the word at `at` ends: before a space, comma, semicolon or the end."""
    ends = [end for end in (text.find(stop, at) for stop in (" ", ",", ";")) if end >= 0]
    return min(ends, default=len(text))


def compile_pattern(text: str) -> Pattern:
    """The pattern of a rule's text; ValueError says what is wrong with it."""
    literals, names = [""], []
    rest = text
    while rest:
        before, brace, rest = rest.partition("{")
        literals[-1] += before
        if not brace:
            break
        name, brace, rest = rest.partition("}")
        if not brace or not (name == "*" or name.isidentifier()):
            raise ValueError(f"{text!r}: `{{` begins a name that `}}` ends")
        names.append(name)
        literals.append("")
    if not literals[0]:
        raise ValueError(f"{text!r}: a pattern begins with literal text")
    if any(not literal for literal in literals[1:-1]):
        raise ValueError(f"{text!r}: literal text stands between two captures")
    return Pattern(tuple(literals), tuple(names))
