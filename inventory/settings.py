"""What an operator says about the network: where to look, with which credentials, and how names tell places."""

import re
from ipaddress import ip_network

from pydantic import Field, field_validator

from station.settings import Settings

ADDRESSES_MAX = 1 << 16  # one discovery looks at no more addresses than this


class SiteRule(Settings):
    """A device whose sysName matches `sys_name` from its start stands at `site` in `region`; both may use its groups (`\\1`)."""

    sys_name: str = Field(max_length=255)
    site: str = Field(max_length=255)
    region: str = Field(default="", max_length=255)

    @field_validator("sys_name")
    @classmethod
    def _compiles(cls, text: str) -> str:
        try:
            re.compile(text)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return text


class InventorySettings(Settings):
    """`[inventory]`: `ranges` are looked at, and nothing outside; `credentials` are names in the vault, tried in order."""

    ranges: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ("default",)
    community_file: str = ""  # an SNMP v2c community to put into the vault as `default` at start
    port: int = Field(default=161, ge=1, le=65_535)
    rediscover_s: int = Field(default=3600, ge=60)
    looks_at_once: int = Field(default=64, ge=1, le=1024)
    look_timeout_s: float = Field(default=20.0, gt=0)
    site_rules: tuple[SiteRule, ...] = ()
    station_devices: tuple[str, ...] = ()  # sysNames of what the station hangs on; empty: its gateways, else the best connected core device

    @field_validator("ranges")
    @classmethod
    def _are_networks(cls, ranges: tuple[str, ...]) -> tuple[str, ...]:
        if sum(ip_network(text, strict=False).num_addresses for text in ranges) > ADDRESSES_MAX:
            raise ValueError(f"more than {ADDRESSES_MAX} addresses; name smaller ranges")
        return ranges
