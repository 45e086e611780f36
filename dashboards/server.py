"""`create_app`: the whole HTTP side in one table of contents."""

from fastapi import FastAPI

from dashboards import events, health, pages, problems
from dashboards.assets import Assets
from dashboards.guard import Doorkeeper, Edge
from dashboards.parts import WebParts
from station.data import data_dir

__all__ = ["WebParts", "create_app"]


def create_app(parts: WebParts) -> FastAPI:
    """The server: guards outside, then the domains' routers, events, health, the console's pages and files."""
    app = FastAPI(title="Trunkline", version=parts.version, docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    assets = Assets(data_dir("dashboards/static"))
    problems.install(app)
    for router in parts.routers:
        app.include_router(router)
    app.include_router(events.router(events.Streams(parts.hub, parts.security, parts.settings)))
    app.include_router(health.router(parts))
    app.include_router(pages.router(pages.Pages(parts, assets, app), parts))
    app.include_router(assets.router())
    app.add_middleware(Doorkeeper, security=parts.security, settings=parts.settings)
    app.add_middleware(Edge, settings=parts.settings)
    return app
