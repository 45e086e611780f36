"""What an operator can set about webhooks; every limit has its unit in its name."""

from typing import Literal

from pydantic import Field

from station.settings import Settings


class SmtpSettings(Settings):
    """`[notify.smtp]`: the mail server that e-mail goes out by; without a host none goes out.

    `security` none is for a server on this machine. `ca_file` says whose certificates count instead of the system's.
    """

    host: str = ""
    port: int = Field(587, ge=1, le=65_535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: str = Field("", repr=False)
    from_address: str = Field("trunkline@localhost", pattern=r"^[^@\s]+@[^@\s]+$", max_length=255)
    ca_file: str = ""
    timeout_s: float = Field(20.0, gt=0, le=120)


class NotifySettings(Settings):
    """`[notify]` of the station's settings.

    `allow` lists private addresses that webhooks may reach: `host:port` as in the URL, or a network in CIDR
    notation. A message is given up after `attempts_max` attempts or `give_up_after_s`, whichever is first; between
    attempts the wait doubles from `backoff_first_s` to `backoff_most_s`. An endpoint that fails again and again
    rests at most `rest_most_s`, then one message tries it.
    """

    allow: tuple[str, ...] = ()
    public_url: str = Field("", max_length=255)  # where people reach this console: links in messages begin so
    attempts_max: int = Field(50, ge=1)
    give_up_after_s: float = Field(86_400.0, gt=0)
    backoff_first_s: float = Field(1.0, gt=0)
    backoff_most_s: float = Field(1_800.0, gt=0)
    rest_most_s: float = Field(60.0, gt=0)
    concurrency_max: int = Field(4, ge=1, le=64)  # messages on their way to one endpoint at once
    webhooks_max: int = Field(100, ge=1)
    waiting_max: int = Field(100_000, ge=1)  # messages that wait for one webhook; more are given up at once and counted
    keep_days: int = Field(30, ge=1)
    deliveries_max: int = Field(500_000, ge=1)  # rows of the delivery log
    template_chars_max: int = Field(16_384, ge=1)
    template_output_chars_max: int = Field(262_144, ge=1)
    template_s: float = Field(2.0, gt=0)  # a template is ended after this long
    smtp: SmtpSettings = SmtpSettings()
    heartbeat_url: str = ""  # a GET there every heartbeat_s: its absence is the alarm elsewhere
    heartbeat_s: float = Field(60.0, ge=1)
    ack_link_s: float = Field(86_400.0, gt=0)  # how long a link in a message acknowledges
    replies: bool = False  # a gateway posts answers to /api/v1/notify/replies: messages say how to answer
    reply_to: str = Field("", pattern=r"^([^@\s]+@[^@\s]+)?$", max_length=255)  # the address that answers to mails go to
    tick_s: float = Field(1.0, gt=0)  # how often escalations, repeats and ends of mute times are looked for
    maintain_s: float = Field(30.0, gt=0)
