"""The `[web]` table: where the console listens, who may reach it, and every bound of the HTTP edge."""

from typing import Literal

from pydantic import Field

from station.settings import Settings


class WebSettings(Settings):
    """`hosts` are further names this station is reached by (a Host header that names none of them is refused: DNS rebinding)."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    hosts: tuple[str, ...] = ()
    metrics_access: Literal["loopback", "token"] = "loopback"
    body_limit_bytes: int = Field(1 << 20, ge=1024)
    body_timeout_s: float = Field(30, gt=0)
    requests_per_s: float = Field(50, gt=0)
    requests_burst: int = Field(400, ge=1)
    sign_ins_per_min: float = Field(20, gt=0)
    streams_max: int = Field(200, ge=1)
    streams_per_user_max: int = Field(20, ge=1)
    coalesce_ms: int = Field(100, ge=0)
    heartbeat_s: float = Field(5, gt=0)
    first_data_timeout_ms: int = Field(400, ge=0)
