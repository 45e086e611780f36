"""Settings of mediation."""

from zoneinfo import ZoneInfo

from pydantic import Field

from station.settings import Settings, TimeZone


class BillingSettings(Settings):
    """How counters become usage. Days and months are those of `time_zone`, the contract's zone; instants stay UTC."""

    time_zone: TimeZone = "UTC"
    span_max_s: int = Field(default=900, ge=60, description="longest span between two samples that still is a measurement")
    margin_h: int = Field(default=24, ge=1, le=31 * 24, description="how far beyond a day its neighbouring samples are sought")
    settle_s: int = Field(default=900, ge=0, description="wait after a day's end before its usage is produced")
    lookback_days: int = Field(default=62, ge=1, le=400, description="how old a day may be and still be produced or revised")
    late_check_s: int = Field(default=3600, ge=0, description="pause between two searches for late samples")
    arrival_slack_s: int = Field(default=600, ge=0, description="how long a received sample may take until it can be read back")
    horizon_days: int = Field(default=400, ge=31, description="usage older than this is rejected")
    future_s: int = Field(default=300, ge=0, description="how far ahead of the station usage may lie")
    batch_max: int = Field(default=10_000, ge=1_000, description="records in one ingest; a point has two for each day of the lookback")
    retry_s: int = Field(default=300, ge=1, description="pause between two runs of the meter")

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)
