"""Settings of the performance pipeline, `[perf]`."""

from datetime import date
from typing import Annotated

from pydantic import Field

from station.settings import Settings


class RemoteWriteSettings(Settings):
    """`[perf.remote_write]`: without a `url` nothing is sent.

    `credential` names a login in the vault: name and password are sent as Basic, a password alone as Bearer.
    """

    url: Annotated[str, Field(pattern=r"\A(https?://.+)?\z")] = ""
    credential: str = ""
    interval_s: float = Field(15.0, ge=1)
    timeout_s: float = Field(30.0, gt=0)
    request_samples: int = Field(5_000, ge=1)
    waiting_requests: int = Field(1_000, ge=1)  # while the receiver does not answer; beyond it the oldest are lost and counted


class PerfSettings(Settings):
    flush_ms: int = Field(1000, ge=10)  # the longest a sample waits for the journal
    block_rows: int = Field(200_000, ge=1)  # samples that make a block at once
    pending_blocks: int = Field(32, ge=1)  # blocks in memory that the store has not taken; then collecting waits
    journal_mb: int = Field(256, ge=1)
    future_s: int = Field(300, ge=1)  # samples further ahead than this are refused: some clock is wrong
    past_days: int = Field(62, ge=1)  # live samples older than this are refused: no dispute is about them
    alarm_age_s: int = Field(900, ge=60)  # samples that are older when they come are history: stored, and never alarms
    stale_s: int = Field(300, ge=1)  # a series unseen for longer is absent from /metrics/network
    rollup_grace_s: int = Field(30, ge=0)  # how long after its end a slot is rolled up
    dirty_slots: int = Field(100_000, ge=1)  # slots with late data that wait for correction
    disk_reserve_mb: int = Field(256, ge=0)  # samples wait rather than take the last of the disk: alarms and money need it
    disk_low_share: float = Field(0.1, gt=0, lt=1)  # less free than this is an alarm
    disk_low_days: float = Field(7.0, gt=0)  # full sooner than this is one as well
    trends_hours: float = Field(6.0, gt=0)  # how often the trends of `config/trends/` are looked at
    usual_series: int = Field(20_000, ge=0)  # interfaces whose usual day is learned; 2.3 KB each and metric
    holidays: tuple[date, ...] = ()  # UTC days that are no usual days: neither learned from nor compared with the usual
    exposition_series: int = Field(500_000, ge=1)  # the most one scrape of /metrics/network carries
    remote_write: RemoteWriteSettings = RemoteWriteSettings()
