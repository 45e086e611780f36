"""An application of routers with the station's own error answers, called as somebody; no server, no sockets."""

import httpx
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint

from dashboards import problems
from station.scope import Scope


def client(scope: Scope | None, *routers: APIRouter) -> httpx.AsyncClient:
    """A client whose every request carries `scope` (None: nobody signed in)."""
    app = FastAPI()
    problems.install(app)
    for router in routers:
        app.include_router(router)

    async def sign_in(request: Request, call_next: RequestResponseEndpoint) -> Response:
        if scope is not None:
            request.state.scope = scope
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=sign_in)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://station")
