"""What is said where. A collector may speak only on subjects that end with its own id.

tl.samples.<id>   blocks of samples       stream TL_SAMPLES     headers Nats-Msg-Id <epoch>.<try>.<sequence>, Tl-First
tl.notices.<id>   blocks of messages      stream TL_NOTICES     the same
tl.beat.<id>      "I am there", answered with what is durable and which targets it should have
tl.sync.<id>      asks for targets that differ
tl.ask.<id>       the station asks a collector to look at a device
tl.enrol          a one-time token and two public keys, answered with the id
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

SAMPLES: Final = "samples"
NOTICES: Final = "notices"
KINDS: Final = (SAMPLES, NOTICES)
FIRST: Final = "Tl-First"
MSG_ID: Final = "Nats-Msg-Id"
ENROL: Final = "tl.enrol"
ENROL_USER: Final = "enrol"
STATION_USER: Final = "station"


class Label(NamedTuple):
    """What a block says of itself: whose spool it is from, its place there, and the oldest place that the spool still has."""

    collector: str
    epoch: str
    sequence: int
    first: int


def stream_of(kind: str) -> str:
    return f"TL_{kind.upper()}"


def subject(kind: str, collector: str) -> str:
    return f"tl.{kind}.{collector}"


def inbox(user: str) -> str:
    """The prefix of the subjects on which a user is answered; nobody else may listen there."""
    return f"_INBOX_{user}"


def headers(epoch: str, attempt: int, sequence: int, first: int) -> dict[str, str]:
    return {MSG_ID: f"{epoch}.{attempt}.{sequence}", FIRST: str(first)}


def label_of(subject_text: str, said: Mapping[str, str] | None) -> Label | None:
    """The label of a message, None when it has none that can be read."""
    try:
        assert said is not None
        epoch, _, sequence = said[MSG_ID].split(".")
        return Label(subject_text.split(".")[2], epoch, int(sequence), int(said[FIRST]))
    except (AssertionError, KeyError, ValueError, IndexError):
        return None
