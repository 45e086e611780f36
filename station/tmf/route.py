"""Routers whose refusals are the Error of TMF630 (code, reason, message, status) instead of problem+json."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from station.scope import ForbiddenError
from station.web import ProblemError

ROOT = "/tmf-api"
Id = Annotated[str, Path(alias="id", max_length=200)]


def error(status: int, reason: str, message: str = "") -> JSONResponse:
    return JSONResponse({"code": str(status), "reason": reason, "message": message, "status": str(status), "@type": "Error"}, status)


class TmfRoute(APIRoute):
    """A route that answers as the specifications do: what is not valid is 400 there."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await inner(request)
            except ProblemError as problem:
                status = 400 if problem.status == 422 else problem.status
                return error(status, str(problem.body["title"]), str(problem.body["detail"]))
            except ForbiddenError as refused:
                return error(403, "Not allowed", str(refused))
            except RequestValidationError as invalid:
                says = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in invalid.errors()[:20])
                return error(400, "Not valid", says)

        return handle


def api_router(base: str) -> APIRouter:
    """The router of one API under its base path, as the specification has it: `usageManagement/v4`."""
    return APIRouter(prefix=f"{ROOT}/{base}", tags=[base.partition("/")[0]], route_class=TmfRoute)


def href(base: str, kind: str, id_: str) -> str:
    return f"{ROOT}/{base}/{kind}/{id_}"
