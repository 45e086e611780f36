"""What every domain's `api.py` shares: the caller's scope, problems as RFC 9457, pages by cursor, times as text."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import JSONResponse

from station.scope import Scope

PAGE_LIMIT = 1000


class ProblemError(Exception):
    """An answer other than success, as application/problem+json (RFC 9457)."""

    def __init__(self, status: int, title: str, detail: str = "", **members: Any) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **members}

    def response(self) -> JSONResponse:
        return JSONResponse(self.body, self.status, media_type="application/problem+json")


def not_found(what: str) -> ProblemError:
    return ProblemError(404, "Not found", f"There is no such {what}, or it is outside what you may see.")


def whole_view(caller: Scope, what: str) -> None:
    """ProblemError 403 for a caller who sees only some customers or regions: `what` is over all of them."""
    if caller.customers or caller.regions:
        raise ProblemError(403, "Not allowed", f"Your view is limited to some customers or regions; {what} is over all.")


def scope_of(request: Request) -> Scope:
    """The scope that authentication gave this request; without one nothing is answered."""
    scope = getattr(request.state, "scope", None)
    if not isinstance(scope, Scope):
        raise ProblemError(401, "Not signed in", "Sign in, or send a token.")
    return scope


Caller = Annotated[Scope, Depends(scope_of)]


def iso(time_ns: int) -> str | None:
    """UTC nanoseconds as RFC 3339 with milliseconds; None for 0 (never)."""
    if not time_ns:
        return None
    return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_ns(text: str) -> int:
    """Nanoseconds of an RFC 3339 text; ProblemError 422 when it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ProblemError(422, "Not a time", f"{text!r} is not an RFC 3339 time.") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * 1_000_000_000 + moment.microsecond * 1000
