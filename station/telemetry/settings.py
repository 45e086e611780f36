"""Settings of the telemetry store, `[telemetry]`."""

from pydantic import Field

from station.settings import Settings


class TelemetrySettings(Settings):
    """`url` empty: a chDB owner process of our own under `<data>/telemetry`; else `http(s)://user:password@host:port/database`."""

    url: str = ""
    memory_mb: int = Field(400, ge=128, description="The most one owner process may use for queries and merges.")
    raw_days: int = Field(30, ge=1, description="How long raw samples stay.")
    billing_months: int = Field(
        25, ge=1, description="How long raw samples of metered interfaces stay: never shorter than the dispute period."
    )
    flow_days: int = Field(30, ge=1, description="How long the totals of flows stay.")
    five_minute_days: int = Field(180, ge=1)
    hour_months: int = Field(25, ge=1)
    day_months: int = Field(120, ge=1)
    query_timeout_s: int = Field(30, ge=1)
