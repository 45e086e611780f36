"""What every request passes before any handler sees it: name, size, who, how often; and what every answer carries."""

import asyncio
import math
import time
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import quote, urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from dashboards.limits import RateLimit
from dashboards.settings import WebSettings
from station.ids import new_id
from station.metrics import counter
from station.scope import OPERATOR_TENANT, Role, Scope
from station.security import Security
from station.security.authenticate import (
    COOKIE,
    CSRF_HEADER,
    SAFE_METHODS,
    SECURE_COOKIE,
    Identity,
    authenticate,
    same_origin,
    write_refused,
)
from station.security.facade import ENTER_PATH, FIRST_PATH
from station.web import ProblemError

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; require-trusted-types-for 'script'; trusted-types trunkline-worker"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
OPEN_PATHS = frozenset(
    {
        "/login",
        FIRST_PATH,
        ENTER_PATH,
        "/ack",
        "/status",
        "/hooks/payments",
        "/hooks/replies",
        "/health/live",
        "/health/ready",
        "/health/startup",
    }
)
SCRAPE_PATHS = frozenset({"/metrics", "/metrics/network", "/sd/prometheus"})
SCRAPER = Scope(OPERATOR_TENANT, Role.VIEWER, "scraper")
INSIDE = "trunkline.caller"

REQUESTS = counter("http_requests", "Requests answered.", "status")
REFUSED = counter("http_refused", "Requests refused before a handler saw them.", "reason")

log = structlog.get_logger(__name__)


class Edge:
    """Request id, security headers, Host check, body limit, and a plain answer to what nobody caught."""

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._app = app
        self._hosts = LOOPBACK_NAMES | {name.lower() for name in settings.hosts} | {settings.host.lower()}
        self._limit = settings.body_limit_bytes
        self._timeout_s = settings.body_timeout_s

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        if connection["type"] != "http":
            await self._app(connection, receive, send)
            return
        answer = Answer(connection, send)
        try:
            self._check(Headers(scope=connection))
            await self._app(connection, bounded(receive, self._limit, self._timeout_s), answer.send)
        except ProblemError as problem:
            await answer.problem(problem)
        except HTTPException as refused:
            await answer.problem(ProblemError(refused.status_code, "Refused", str(refused.detail)))
        except Exception:
            log.exception("request failed", request_id=answer.request_id, path=connection["path"])
            await answer.problem(
                ProblemError(500, "Something broke", "The station logged it under the request id; the rest keeps working.")
            )

    def _check(self, headers: Headers) -> None:
        host = host_name(headers.get("host", ""))
        if host not in self._hosts:
            REFUSED.labels("host").inc()
            raise ProblemError(421, "Wrong host", f"This station does not answer to the name {host[:80]!r}; see [web] hosts.")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self._limit:
            REFUSED.labels("body").inc()
            raise ProblemError(413, "Too large", f"A body may have {self._limit} bytes.")


class Answer:
    """One answer on its way out: gets its id and headers once, and can still become a problem while nothing was sent."""

    def __init__(self, connection: Connection, send: Send) -> None:
        self.request_id = new_id()
        connection.setdefault("state", {})["request_id"] = self.request_id
        self._connection = connection
        self._send = send
        self._started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self.request_id
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
            REQUESTS.labels(str(message["status"])).inc()
        await self._send(message)

    async def problem(self, problem: ProblemError) -> None:
        if self._started:
            return
        problem.body["request_id"] = self.request_id
        response = problem.response()
        if "retry_after_s" in problem.body:
            response.headers["Retry-After"] = str(math.ceil(problem.body["retry_after_s"]))
        await response(self._connection, _nothing, self.send)


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def bounded(receive: Receive, limit: int, timeout_s: float) -> Receive:
    """`receive` that refuses a body over `limit` bytes or slower than `timeout_s`, as HTTPException, which FastAPI lets through."""
    total = 0
    done = False
    deadline = time.monotonic() + timeout_s

    async def counted() -> Message:
        nonlocal total, done
        if done:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), max(0.0, deadline - time.monotonic()))
        except TimeoutError as error:
            REFUSED.labels("slow_body").inc()
            raise HTTPException(408, f"The body did not arrive within {timeout_s:g} s.") from error
        total += len(message.get("body", b""))
        done = not message.get("more_body", False)
        if total > limit:
            REFUSED.labels("body").inc()
            raise HTTPException(413, f"A body may have {limit} bytes.")
        return message

    return counted


def host_name(host: str) -> str:
    """The name in a Host header without its port, lower case, IPv6 without brackets."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


class Doorkeeper:
    """Who is asking: a session cookie or a bearer token becomes `state.scope`; without one only OPEN_PATHS answer."""

    def __init__(self, app: ASGIApp, security: Security, settings: WebSettings) -> None:
        self._app = app
        self._security = security
        self._loopback_scrapes = settings.metrics_access == "loopback"
        self._requests = RateLimit(settings.requests_per_s, settings.requests_burst)
        self._sign_ins = RateLimit(settings.sign_ins_per_min / 60, math.ceil(settings.sign_ins_per_min))

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        if connection["type"] != "http" or connection["path"].startswith("/static/"):
            await self._app(connection, receive, send)
            return
        state = connection.setdefault("state", {})
        if INSIDE in connection:
            state["scope"] = connection[INSIDE]
            await self._app(connection, receive, send)
            return
        await (await self._admit(connection, state) or self._app)(connection, receive, send)

    async def _admit(self, connection: Connection, state: dict[str, Any]) -> Response | None:
        """Set the caller's scope and session, or answer with a redirect to sign-in; ProblemError refuses."""
        headers, path = Headers(scope=connection), connection["path"]
        identity = await authenticate(self._security, cookie=cookie_of(headers), authorization=headers.get("authorization"))
        if identity is None and self._may_scrape(connection, headers):
            identity = Identity(SCRAPER, None)
        self._throttle(connection, identity)
        check_write(connection["method"], path, headers, identity)
        if identity is not None:
            state["scope"], state["session"] = identity.scope, identity.session
        elif path not in OPEN_PATHS:
            if connection["method"] == "GET" and "text/html" in headers.get("accept", ""):
                return RedirectResponse(f"/login?next={quote(_target(connection), safe='')}", 303)
            REFUSED.labels("sign_in").inc()
            raise ProblemError(401, "Not signed in", "Sign in, or send a token that is valid.")
        return None

    def _may_scrape(self, connection: Connection, headers: Headers) -> bool:
        """Prometheus on this machine sees the network as a viewer when settings allow it."""
        asked = connection["path"] in SCRAPE_PATHS and connection["method"] == "GET" and "authorization" not in headers
        return asked and self._loopback_scrapes and is_loopback(connection, headers)

    def _throttle(self, connection: Connection, identity: Identity | None) -> None:
        signing_in = connection["path"] in OPEN_PATHS and connection["method"] == "POST"
        limit = self._sign_ins if signing_in else self._requests
        by_source = identity is None or signing_in
        caller = source_of(connection) if by_source or identity is None else f"{identity.scope.tenant}/{identity.scope.user}"
        wait_s = limit.wait_s(caller, time.monotonic_ns())
        if wait_s:
            REFUSED.labels("rate").inc()
            raise ProblemError(429, "Too many requests", f"Try again in {math.ceil(wait_s)} s.", retry_after_s=wait_s)


def check_write(method: str, path: str, headers: Headers, identity: Identity | None) -> None:
    """Refuse a write that another site made the browser send; signing in is a write too (login CSRF)."""
    host, origin = headers.get("host", ""), headers.get("origin")
    if path in OPEN_PATHS:
        stranger = method not in SAFE_METHODS and origin is not None and not same_origin(origin, host)
        refused = "The request comes from another site." if stranger else None
    elif identity is not None:
        refused = write_refused(identity, method=method, csrf=headers.get(CSRF_HEADER), origin=origin, host=host)
    else:
        refused = None
    if refused:
        REFUSED.labels("csrf").inc()
        raise ProblemError(403, "Not from this console", f"{refused} Reload the page.")


def cookie_of(headers: Headers) -> str | None:
    """The session id in the cookie, None when there is none or the header is malformed."""
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return None
    morsel = cookies.get(SECURE_COOKIE) or cookies.get(COOKIE)
    return morsel.value if morsel else None


def is_loopback(connection: Connection, headers: Headers) -> bool:
    """The peer is this machine itself and speaks for nobody else (a proxy adds a forwarding header)."""
    if "forwarded" in headers or "x-forwarded-for" in headers:
        return False
    source = source_of(connection)
    return source == "::1" or source.startswith("127.")


def source_of(connection: Connection) -> str:
    client = connection.get("client")
    return str(client[0]) if client else "unknown"


def _target(connection: Connection) -> str:
    query = connection.get("query_string", b"").decode("latin-1")
    return f"{connection['path']}?{query}" if query else str(connection["path"])
