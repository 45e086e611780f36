"""The texts of notices as data (`config/notices/`), each with examples that the suite runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, field_validator

from fault.templates import compile_template
from station.data import data_dir
from station.settings import Fault, Settings, SettingsError, load

Audience = Literal["customer", "public"]
Kind = Literal["opened", "update", "closed"]
NAMES: Final = frozenset(f"{audience}_{kind}" for audience in ("customer", "public") for kind in ("opened", "update", "closed"))
WORDS: Final = ("customer", "services", "regions", "began", "ended", "lasted", "reference")


class Example(Settings):
    """Words, and what the text with them says and does not say."""

    says: str
    words: dict[str, str]
    has: tuple[str, ...]
    lacks: tuple[str, ...] = ()


class Text(Settings):
    """One file: `{customer}`, `{services}`, `{regions}`, `{began}`, `{ended}`, `{lasted}` and `{reference}` are filled in."""

    subject: str = Field(min_length=1, max_length=200)
    text: str = Field(min_length=1, max_length=8_000)
    examples: tuple[Example, ...]

    @field_validator("subject", "text")
    @classmethod
    def _is_a_template(cls, text: str) -> str:
        for choice in compile_template(text).choices:
            for word in choice:
                if word.name not in WORDS:
                    raise ValueError(f"{word.name!r} is none of {', '.join(WORDS)}")
        return text

    def fill(self, words: Mapping[str, str]) -> tuple[str, str]:
        """(subject, text)."""
        return compile_template(self.subject).fill(words), compile_template(self.text).fill(words)


def load_texts(folder: str = "") -> Mapping[str, Text]:
    """The shipped ones, and a site's own of the same names instead. SettingsError names file, line and key of a wrong one."""
    folders = [data_dir("config") / "notices", *([Path(folder)] if folder else [])]
    files = {path.stem: path for each in folders for path in sorted(each.glob("*.toml"))}
    if unknown := sorted(files.keys() - NAMES):
        raise SettingsError(Fault(str(files[unknown[0]]), 0, "", f"a notice is one of {', '.join(sorted(NAMES))}"))
    return {name: load(Text, path, {}) for name, path in files.items()}
