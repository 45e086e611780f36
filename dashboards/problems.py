"""Every error leaves as application/problem+json (RFC 9457) with the request id that the log has."""

from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from station.scope import ForbiddenError
from station.web import ProblemError

_ERRORS_MAX = 20


def answer(request: Request, problem: ProblemError) -> JSONResponse:
    problem.body["request_id"] = getattr(request.state, "request_id", "")
    return problem.response()


async def _problem(request: Request, error: Exception) -> JSONResponse:
    return answer(request, cast(ProblemError, error))


async def _forbidden(request: Request, error: Exception) -> JSONResponse:
    refused = cast(ForbiddenError, error)
    text = f"To {refused.act} you need the role {refused.needs}; an administrator can grant it."
    return answer(request, ProblemError(403, "Not allowed", text, needs=str(refused.needs)))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """What was wrong and where, without echoing the input."""
    faults = cast(RequestValidationError, error).errors()[:_ERRORS_MAX]
    errors: list[dict[str, Any]] = [{"at": ".".join(map(str, fault["loc"])), "says": fault["msg"]} for fault in faults]
    detail = "; ".join(f"{item['at']}: {item['says']}" for item in errors)
    return answer(request, ProblemError(422, "Not valid", detail, errors=errors))


async def _http(request: Request, error: Exception) -> JSONResponse:
    refused = cast(HTTPException, error)
    title = "Not found" if refused.status_code == 404 else "Refused"
    response = answer(request, ProblemError(refused.status_code, title, str(refused.detail)))
    response.headers.update(refused.headers or {})
    return response


def install(app: FastAPI) -> None:
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(ForbiddenError, _forbidden)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
