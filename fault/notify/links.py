"""Links in messages that acknowledge: signed, expiring, good for one time. Pure but for the randomness of a new key.

token = base64url(JSON {i: message, a: about, o: object, h: webhook, e: expiry in s}) "." base64url(HMAC-SHA256)
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Final

TOKEN_MAX: Final = 1_024
KEY_BYTES: Final = 32


class LinkError(Exception):
    """It does not acknowledge; the text says why to a person."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a token stands for."""

    message_id: str
    about: str
    object_id: str
    webhook: str
    expires_s: int


def new_key() -> str:
    return secrets.token_urlsafe(KEY_BYTES)


def token(key: str, link: Link) -> str:
    """The same for the same message, so that every attempt to send it carries one link."""
    body = {"i": link.message_id, "a": link.about, "o": link.object_id, "h": link.webhook, "e": link.expires_s}
    text = _encoded(json.dumps(body, separators=(",", ":")).encode())
    return f"{text}.{_encoded(_mac(key, text))}"


def opened(key: str, text: str, now_s: int) -> Link:
    """What a token says; LinkError for one that is not ours or too old."""
    body, _, signed = text.partition(".")
    try:
        if len(text) > TOKEN_MAX or not hmac.compare_digest(base64.urlsafe_b64decode(_padded(signed)), _mac(key, body)):
            raise LinkError("This link is not one of this station's.")
        said = json.loads(base64.urlsafe_b64decode(_padded(body)))
        link = Link(said["i"], said["a"], said["o"], said["h"], int(said["e"]))
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise LinkError("This link is not whole.") from error
    if now_s > link.expires_s:
        raise LinkError("This link is too old. Acknowledge on the console.")
    return link


def digest(text: str) -> str:
    """What is kept of a used token."""
    return hashlib.sha256(text.encode()).hexdigest()


def _mac(key: str, text: str) -> bytes:
    return hmac.new(key.encode(), b"acknowledge " + text.encode(), hashlib.sha256).digest()


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)
