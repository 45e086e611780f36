"""Settings of the bus: `[bus]` at the station, `[spool]` where a collector runs alone."""

from pathlib import Path
from typing import Final

from pydantic import Field, model_validator

from station.settings import Settings

BEAT_S: Final = 5.0  # how often a collector says that it is there


class BusSettings(Settings):
    """`[bus]`: off without a `listen` address or a `url`.

    With `listen` the station runs a nats-server of its own and keeps its users; `hosts` are the names and addresses
    under which collectors reach it. With `url` (one or several, comma-separated) it uses a cluster: its servers include
    the file of users that the station writes, `<data>/bus/users.conf`, and `reload_command` makes them read it again.
    """

    listen: str = ""
    port: int = Field(4222, ge=0, le=65_535)
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost")
    url: str = ""
    tls: bool = True
    ca_file: Path | None = None
    password_file: Path | None = None  # of the user `station` at a cluster; its own server gets a fresh one
    reload_command: tuple[str, ...] = ()
    replicas: int = Field(1, ge=1, le=5)
    stream_mb: int = Field(4096, ge=16)  # what each stream holds at most; then collectors keep the rest themselves
    window_blocks: int = Field(64, ge=1, le=10_000)  # blocks taken and not yet durable
    blind_after_s: float = Field(30.0, ge=2 * BEAT_S)
    late_after_s: float = Field(180.0, ge=10)  # older samples are history: stored, never alarms

    @model_validator(mode="after")
    def _one_of_two(self) -> "BusSettings":
        if self.listen and self.url:
            raise ValueError("either the station runs a server (listen) or it uses one (url)")
        return self

    @property
    def on(self) -> bool:
        return bool(self.listen or self.url)


class SpoolSettings(Settings):
    """`[spool]`: what a collector keeps until the station has it."""

    samples_mb: int = Field(4096, ge=64)
    notices_mb: int = Field(512, ge=64)
    keep_h: float = Field(24.0, gt=0, le=24 * 31)
    block_rows: int = Field(40_000, ge=1, le=1 << 20)
    flush_ms: int = Field(1_000, ge=10)
    metrics_address: str = "127.0.0.1"
    metrics_port: int = Field(0, ge=0, le=65_535)  # where the collector shows its own metrics; 0: nowhere
