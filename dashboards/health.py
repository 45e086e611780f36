"""`/health/*` for supervisors and `/metrics` for Prometheus: the station's own state, not the network's."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client.exposition import choose_encoder

from dashboards.parts import WebParts
from station.metrics import REGISTRY
from station.web import Caller


def router(parts: WebParts) -> APIRouter:
    health = APIRouter(tags=["health"])

    @health.get("/health/live", summary="The process answers")
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    @health.get("/health/ready", summary="Each component, with the age of its last sign of life")
    async def ready() -> JSONResponse:
        components = await parts.components()
        well = all(component.get("ok", False) for component in components.values())
        return JSONResponse({"status": "ok" if well else "failing", "components": components}, 200 if well else 503)

    @health.get("/health/startup", summary="The station has started")
    async def startup() -> dict[str, str]:
        return {"status": "ok", "version": parts.version}

    @health.get("/metrics", response_class=Response, summary="The station's own metrics for Prometheus")
    async def metrics(caller: Caller, request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(REGISTRY), media_type=content_type)

    return health
