"""What an operator can set about webhooks; every limit has its unit in its name."""

from pydantic import Field

from station.settings import Settings


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
    maintain_s: float = Field(30.0, gt=0)
