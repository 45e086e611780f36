"""What the assembly hands to `create_app`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter

from dashboards.settings import WebSettings
from station.hub import Hub
from station.security import Security

Components = Callable[[], Awaitable[Mapping[str, Mapping[str, Any]]]]


async def no_components() -> Mapping[str, Mapping[str, Any]]:
    return {}


@dataclass(frozen=True, slots=True)
class WebParts:
    """`routers` come from the domains; `components` answers {name: {"ok": bool, "age_s": number, ...}} for /health/ready."""

    security: Security
    hub: Hub
    settings: WebSettings
    routers: Sequence[APIRouter]
    version: str
    simulated: bool = False
    components: Components = no_components
