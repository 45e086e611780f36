"""What an operator can set about alarms; every limit has its unit in its name."""

from pydantic import Field

from station.settings import Settings


class FaultSettings(Settings):
    """`[fault]` of the station's settings.

    Flap damping follows ISA-18.2: an alarm raised more than `chatter_raises` times within `chatter_window_s`
    chatters. A raise within `reopen_window_s` of the clear reopens, a later one begins a new occurrence.
    """

    batch_events_max: int = Field(5_000, ge=1)
    channel_batches_max: int = Field(256, ge=1)
    active_alarms_max: int = Field(1_000_000, ge=1)
    memory_after_clear_s: int = Field(900, ge=0)
    reopen_window_s: int = Field(300, ge=0)
    chatter_raises: int = Field(3, ge=1)
    chatter_window_s: int = Field(300, ge=1)
    shelve_max_s: int = Field(7 * 86_400, ge=60)
    lone_after_s: float = Field(10.0, ge=0)  # an alarm that correlation leaves alone this long is an incident of its own
    verify_every_s: float = Field(2.0, ge=0)  # a device is asked to prove an unauthenticated message at most this often
    verify_at_once_max: int = Field(32, ge=1)
    verify_waiting_max: int = Field(10_000, ge=1)
    verify_attempts_max: int = Field(7, ge=1)
    announce_after_s: float = Field(3.0, ge=0)  # an incident is announced when it stood this long: evidence may still move its root
    tick_s: float = Field(1.0, gt=0)
    keep_cleared_days: int = Field(90, ge=1)
    fields_max: int = Field(64, ge=0)
    text_chars_max: int = Field(1_024, ge=80)
    first_checks: bool = True  # ping, trace, interfaces and the last change of a root, once it is named
    first_checks_at_once_max: int = Field(4, ge=1)
    first_checks_per_minute: float = Field(30.0, gt=0)
    first_checks_waiting_max: int = Field(256, ge=1)
    first_check_timeout_s: float = Field(20.0, gt=0)
    runbooks: str = ""  # a folder of runbooks beside those that are shipped; one of the same file name replaces a shipped one
    notices: str = ""  # a folder of texts of notices that replace those that are shipped
    monthly_report: str = ""  # the e-mail webhook that gets the report of each month as a PDF
    status_page: bool = False  # whether /status tells the public which regions are disturbed
