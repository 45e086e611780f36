"""What a decoder gives: series under the sender's names, each with its samples; and the errors that end a message."""

from dataclasses import dataclass


class IncomingError(ValueError):
    """The message cannot be read; the text says why, and is shown to the sender."""


@dataclass(frozen=True, slots=True)
class Told:
    """One series of a message. `labels` are sorted pairs; `unit` is UCUM or "" where nothing was said; times in ns."""

    name: str
    labels: tuple[tuple[str, str], ...]
    samples: tuple[tuple[int, float], ...]
    unit: str = ""
