"""From what a request carries to who is asking: a bearer token or a session cookie, never both."""

from dataclasses import dataclass
from hmac import compare_digest
from typing import Final
from urllib.parse import urlsplit

from station.scope import Scope
from station.security.facade import Security
from station.security.sessions import Session

COOKIE: Final = "trunkline_session"  # plain http on loopback: host-only, HttpOnly, SameSite=Lax
SECURE_COOKIE: Final = "__Host-trunkline_session"  # over TLS; the prefix binds it to this host and path /
CSRF_HEADER: Final = "X-CSRF-Token"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking, and by which session; None there means an API token, to which no browser adds itself."""

    scope: Scope
    session: Session | None


async def authenticate(security: Security, *, cookie: str | None, authorization: str | None) -> Identity | None:
    """The identity behind a request, None when there is none. With an Authorization header the cookie counts for nothing."""
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        scope = await security.token_scope(token.strip()) if scheme.lower() == "bearer" else None
        return None if scope is None else Identity(scope, None)
    session = await security.session(cookie) if cookie else None
    return None if session is None else Identity(session.scope, session)


def write_refused(identity: Identity, *, method: str, csrf: str | None, origin: str | None, host: str) -> str | None:
    """Why an unsafe request may not run (OWASP CSRF: origin and token), or None when it may.

    `csrf` is the header X-CSRF-Token or the form field of the same purpose; `host` the Host header. A browser
    sends Origin with every unsafe request, so only its absence and equality are allowed.
    """
    if method in SAFE_METHODS or identity.session is None:
        return None
    if origin is not None and not same_origin(origin, host):
        return "The request comes from another site."
    if csrf is None or not compare_digest(csrf.encode(), identity.session.csrf.encode()):
        return "The CSRF token is missing or belongs to another session."
    return None


def same_origin(origin: str, host: str) -> bool:
    """Whether an Origin header names the host the request was sent to."""
    parts = urlsplit(origin)
    return parts.scheme in {"http", "https"} and parts.netloc.lower() == host.lower()
