"""Answers to messages: what a mail or a short message says, and which message it answers. Pure.

A message carries a code that only the station can make of its id: in the Message-ID of a mail, which mail programs repeat
in In-Reply-To (RFC 5322, section 3.6.4), and in the text of a short message.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from email.utils import parseaddr
from typing import Any, Final

from fault.notify.links import LinkError

CODE_CHARS: Final = 10
LINES_MAX: Final = 20
WORD: Final = re.compile(r"(?:ack|acknowledged?|ok|yes|take|taken)\b[\s:,.!]*(?P<code>[a-z2-7]{10})?", re.IGNORECASE)
MESSAGE_ID: Final = re.compile(r"<([0-9a-f-]{36})\.([a-z2-7]{10})@")
IDS_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Reply:
    """`sender` an address or telephone number; `answers` pairs of message id and code; `code` that of a short message."""

    sender: str
    answers: tuple[tuple[str, str], ...] = ()
    code: str = ""


def code_of(key: str, message_id: str) -> str:
    """What proves that somebody had the message: the same in every attempt to send it."""
    mac = hmac.new(key.encode(), b"reply " + message_id.encode(), hashlib.sha256).digest()
    return base64.b32encode(mac).decode().lower()[:CODE_CHARS]


def proven(key: str, reply: Reply) -> list[str]:
    """The messages that it answers, by id, as far as the codes are the station's own."""
    return [key_ for key_, code in reply.answers if hmac.compare_digest(code_of(key, key_), code)]


def of_mail(raw: bytes) -> Reply:
    """A mail as it came (RFC 5322); LinkError where it takes nothing."""
    it = message_from_bytes(raw, policy=default)
    assert isinstance(it, EmailMessage)
    if str(it.get("Auto-Submitted", "no")).partition(";")[0].strip().lower() != "no":  # RFC 3834
        raise LinkError("A program answered, not a person.")
    part = it.get_body(("plain",))
    try:
        text = str(part.get_content()) if part is not None else ""
    except (LookupError, ValueError) as error:
        raise LinkError("The text cannot be read.") from error
    references = " ".join(str(it.get(name, "")) for name in ("In-Reply-To", "References"))
    return _reply(parseaddr(str(it.get("From", "")))[1], text, references)


def of_fields(fields: Mapping[str, Any]) -> Reply:
    """What a gateway posts as JSON or as a form: `from` and `text` (or `body`), of a mail also `in_reply_to` and `references`."""
    named = {str(name).lower().replace("-", "_"): str(value) for name, value in fields.items() if isinstance(value, str)}
    references = f"{named.get('in_reply_to', '')} {named.get('references', '')}"
    return _reply(named.get("from", ""), named.get("text") or named.get("body", ""), references)


def _reply(sender: str, text: str, references: str) -> Reply:
    said = WORD.match(_first_line(text))
    if said is None:
        raise LinkError("It does not begin with a word that takes it: ack.")
    answers = MESSAGE_ID.findall(references[:16_384])[:IDS_MAX]
    code = (said["code"] or "").lower()
    if not answers and not code:
        raise LinkError("It answers no message of this station, and there is no code after the word.")
    return Reply(_shown(sender), tuple(answers), code)


def _first_line(text: str) -> str:
    """The first line that a person wrote: what is quoted begins with `>`."""
    lines = (line.strip() for line in text[:16_384].split("\n", LINES_MAX)[:LINES_MAX])
    return next((line for line in lines if line and not line.startswith(">")), "")


def _shown(sender: str) -> str:
    return "".join(c for c in sender if c.isprintable())[:100] or "somebody"
