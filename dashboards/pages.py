"""The console's pages: one thin page per screen with its first data inside, and the pages for signing in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.types import ASGIApp

from dashboards.assets import Assets
from dashboards.inline import first_answers, script_json
from dashboards.parts import WebParts
from station.data import data_dir
from station.scope import Scope
from station.security import Session
from station.security.authenticate import COOKIE, SECURE_COOKIE
from station.security.facade import ENTER_PATH, FIRST_PATH
from station.security.passwords import BusyError, PasswordError
from station.security.throttle import ThrottledError
from station.security.users import AccountError, LinkError
from station.web import Caller

THEMES = ("dark", "light", "contrast")
FIELDS_MAX = 16
SESSION_COOKIE_S = 7 * 24 * 3600
_EVERYWHERE = ("/api/v1/regions",)
_SHARED = ("vendor/preact.js", "app.js")


@dataclass(frozen=True, slots=True)
class Screen:
    """`first` gives the API calls whose answers the page carries, from the page's query and path parameters."""

    name: str
    path: str
    title: str
    first: Callable[[dict[str, str]], list[str]]


def _alarms_target(query: dict[str, str]) -> str:
    """The console's first page of alarms; the same text as `firstPage` in screens/alarms/model.js makes."""
    region = '"{}"'.format(query["region"].replace('"', "")) if query.get("region") else ""
    terms = (query.get("q", ""), region and f"region:{region}", "" if query.get("group") == "none" else "-suppressed")
    asked = {"q": " ".join(filter(None, terms)), "state": query.get("state", "active"), "sort": "severity", "limit": "200"}
    return "/api/v1/alarms?" + urlencode(asked)


def _now_targets(query: dict[str, str]) -> list[str]:
    """What Now asks first, for the region in its address."""
    region = {"region": query["region"]} if query.get("region") else {}
    ask = [("/api/v1/now", region), ("/api/v1/traffic", {"hours": "24", **region})]
    plain = ["/api/v1/alarms/summary", "/api/v1/incidents?state=open", "/api/v1/topology"]
    return plain + [f"{path}?{urlencode(asked)}" if asked else path for path, asked in ask]


SCREENS = (
    Screen("now", "/", "Now", _now_targets),
    Screen("alarms", "/alarms", "Alarms", lambda query: ["/api/v1/alarms/summary", _alarms_target(query)]),
    Screen("topology", "/topology", "Topology", lambda _: ["/api/v1/topology"]),
    Screen("performance", "/performance", "Performance", lambda _: []),
    Screen("flow", "/flow", "Flow", lambda _: []),
    Screen("services", "/services", "Services", lambda _: []),
    Screen("device", "/devices", "Devices", lambda _: ["/api/v1/devices?limit=1000"]),
    Screen("device", "/devices/{id}", "Device", lambda given: [f"/api/v1/devices/{given['id']}"]),
    Screen("usage", "/usage", "Usage", lambda _: ["/api/v1/usage/pipeline", "/api/v1/invoices", "/api/v1/bill-runs"]),
    Screen("usage", "/usage/invoices/{id}", "Invoice", lambda given: [f"/api/v1/invoices/{given['id']}"]),
    Screen("customers", "/customers", "Customers", lambda _: []),
    Screen("customers", "/customers/{id}", "Customer", lambda _: []),
    Screen("notify", "/notify", "Notify", lambda _: ["/api/v1/webhooks", "/api/v1/deliveries"]),
    Screen("reports", "/reports", "Reports", lambda _: []),
    Screen("api", "/api", "API", lambda _: []),
)


class Pages:
    """`app` is the whole server, so that first data passes the same handlers as any other caller's."""

    def __init__(self, parts: WebParts, assets: Assets, app: ASGIApp) -> None:
        self._parts = parts
        self._assets = assets
        self._app = app
        loader = FileSystemLoader(data_dir("dashboards/templates"))
        self._templates = Environment(loader=loader, autoescape=select_autoescape(default=True, default_for_string=True))

    def render(self, name: str, request: Request, **values: Any) -> HTMLResponse:
        theme = request.cookies.get("trunkline_theme", "")
        values |= {"url": self._assets.url, "theme": theme if theme in THEMES else "dark", "simulated": self._parts.simulated}
        return HTMLResponse(self._templates.get_template(name).render(values))

    async def screen(self, request: Request, scope: Scope, screen: Screen) -> HTMLResponse:
        session: Session | None = request.state.session
        given = {**request.query_params, **request.path_params}
        first = await first_answers(
            self._app, scope, [*_EVERYWHERE, *screen.first(given)], self._parts.settings.first_data_timeout_ms / 1000
        )
        boot = {
            "user": scope.user,
            "role": scope.role,
            "csrf": session.csrf if session else "",
            "simulated": self._parts.simulated,
            "version": self._parts.version,
            "seq": self._parts.hub.seq,
            "epoch": self._parts.hub.epoch,
            "assets": f"/static/{self._assets.version}/",
            "first": first,
        }
        folder = f"screens/{screen.name}"
        modules = self._assets.modules_of(*_SHARED, f"{folder}/screen.js")
        styles = [f"{folder}/screen.css"] if self._assets.has(f"{folder}/screen.css") else []
        return self.render("console.html", request, title=screen.title, boot=script_json(boot), modules=modules, styles=styles)

    def sign_in(self, request: Request, *, first: bool, says: str = "", status: int = 200, **values: str) -> HTMLResponse:
        page = self.render("sign_in.html", request, first=first, says=says, **values)
        page.status_code = status
        return page


def signed_in(session: Session, request: Request, target: str) -> Response:
    """A redirect into the console that carries the session's cookie."""
    response = RedirectResponse(target, 303)
    secure = request.url.scheme == "https"
    response.set_cookie(
        SECURE_COOKIE if secure else COOKIE, session.id, SESSION_COOKIE_S, path="/", secure=secure, httponly=True, samesite="lax"
    )
    return response


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a posted form, the last of each name; empty when it is no form."""
    try:
        return dict(parse_qsl((await request.body()).decode(), max_num_fields=FIELDS_MAX))
    except ValueError:
        return {}


def local_target(text: str) -> str:
    """Where to go after signing in: a path on this station, never another site (`//host`, `/\\host`)."""
    if text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable():
        return text
    return "/"


def router(pages: Pages, parts: WebParts) -> APIRouter:
    routes = APIRouter(include_in_schema=False)
    _add_screens(routes, pages)
    _add_sign_in(routes, pages, parts)
    _add_links(routes, pages, parts)
    return routes


def _add_screens(routes: APIRouter, pages: Pages) -> None:
    for screen in SCREENS:

        def page_of(screen: Screen) -> Callable[..., Any]:
            async def page(caller: Caller, request: Request) -> HTMLResponse:
                return await pages.screen(request, caller, screen)

            return page

        routes.add_api_route(screen.path, page_of(screen), response_class=HTMLResponse)


def _add_sign_in(routes: APIRouter, pages: Pages, parts: WebParts) -> None:
    @routes.get("/login")
    async def login_page(request: Request, next: str = "/") -> Response:
        return pages.sign_in(request, first=False, next=local_target(next))

    @routes.post("/login")
    async def login(request: Request) -> Response:
        form = await form_of(request)
        target = local_target(form.get("next", "/"))
        source = request.client.host if request.client else "unknown"
        try:
            session = await parts.security.login(form.get("user", ""), form.get("password", ""), source)
        except ThrottledError as error:
            page = pages.sign_in(request, first=False, says=str(error), status=429, next=target)
            page.headers["Retry-After"] = str(error.retry_after_s)
            return page
        except BusyError:
            return pages.sign_in(request, first=False, says="Many people are signing in; try again in a moment.", status=503, next=target)
        if session is None:
            return pages.sign_in(request, first=False, says="That name and password do not fit together.", status=401, next=target)
        return signed_in(session, request, target)

    @routes.post("/logout")
    async def logout(request: Request) -> Response:
        if session := request.state.session:
            await parts.security.logout(session.id)
        response = Response(status_code=204)
        response.delete_cookie(COOKIE)
        response.delete_cookie(SECURE_COOKIE, secure=True)
        return response


def _add_links(routes: APIRouter, pages: Pages, parts: WebParts) -> None:
    used = "This link was used or is too old. Sign in, or restart the station for a new one."

    @routes.get(FIRST_PATH)
    async def first_page(request: Request, token: str = "") -> Response:
        if not await parts.security.first_link_open(token):
            return pages.sign_in(request, first=False, says=used, status=410, next="/")
        return pages.sign_in(request, first=True, token=token)

    @routes.post(FIRST_PATH)
    async def first(request: Request) -> Response:
        form = await form_of(request)
        token, user = form.get("token", ""), form.get("user", "")
        try:
            session = await parts.security.use_first_link(token, user, form.get("password", ""))
        except LinkError:
            return pages.sign_in(request, first=False, says=used, status=410, next="/")
        except (PasswordError, AccountError) as error:
            return pages.sign_in(request, first=True, says=str(error), status=422, token=token, user=user)
        return signed_in(session, request, "/")

    @routes.get(ENTER_PATH)
    async def enter(request: Request, token: str = "") -> Response:
        try:
            return signed_in(await parts.security.use_login_link(token), request, "/")
        except LinkError:
            return pages.sign_in(request, first=False, says=used, status=410, next="/")
