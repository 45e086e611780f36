"""Settings of the SNMP collectors: `[snmp]` polls, `[traps]` receives."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, SecretStr, model_validator

from collectors.snmp.credentials import SnmpCredential
from station.settings import Settings


class CredentialSettings(Settings):
    """One way to ask an agent; secrets come best from `TRUNKLINE_..._FILE`."""

    version: Literal["1", "2c", "3"] = "2c"
    community: SecretStr = SecretStr("")
    user: str = ""
    auth_protocol: Literal["", "md5", "sha1", "sha224", "sha256", "sha384", "sha512"] = ""
    auth_password: SecretStr = SecretStr("")
    priv_protocol: Literal["", "des", "aes128", "aes192", "aes256", "aes192-reeder", "aes256-reeder"] = ""
    priv_password: SecretStr = SecretStr("")
    context: str = ""

    @model_validator(mode="after")
    def _complete(self) -> "CredentialSettings":
        self.credential("check")
        return self

    def credential(self, name: str) -> SnmpCredential:
        return SnmpCredential(
            version=self.version,
            community=self.community.get_secret_value(),
            user=self.user,
            auth_protocol=self.auth_protocol,
            auth_password=self.auth_password.get_secret_value(),
            priv_protocol=self.priv_protocol,
            priv_password=self.priv_password.get_secret_value(),
            context=self.context,
            name=name,
        )


class SnmpSettings(Settings):
    """The poller. Every device is polled each `interval_s`; its tables are learned again each `learn_interval_s`.

    A profile says which metrics are asked at every poll, which at every `status_every`th and which at every `slow_every`th.
    """

    interval_s: float = Field(30.0, ge=1, le=3600)
    status_every: int = Field(2, ge=1, le=1000)
    slow_every: int = Field(4, ge=1, le=1000)
    learn_interval_s: float = Field(600.0, ge=10, le=86_400)
    first_spread_s: float = Field(5.0, ge=0, le=3600)
    verify_after_s: float = Field(5.0, ge=0.1, le=600)
    unreachable_after: int = Field(2, ge=1, le=10)
    concurrent_devices: int = Field(256, ge=1, le=10_000)
    credentials: Mapping[str, CredentialSettings] = {"default": CredentialSettings(community=SecretStr("public"))}

    @model_validator(mode="after")
    def _nested(self) -> "SnmpSettings":
        if self.slow_every % self.status_every:
            raise ValueError("slow_every must be a multiple of status_every, so that a device is not asked twice at once")
        return self

    def known(self) -> dict[str, SnmpCredential]:
        """The credentials by name, in the order they are to be tried."""
        return {name: settings.credential(name) for name, settings in self.credentials.items()}


class TrapSettings(Settings):
    """The trap receiver. `communities` empty: any is heard (v1 and v2c authenticate nothing)."""

    address: str = "127.0.0.1"
    port: int = Field(16_200, ge=0, le=65_535)
    receive_octets: int = Field(64 << 20, ge=65_536)
    rate_per_s: float = Field(200.0, gt=0)
    burst: int = Field(2_000, ge=1)
    communities: tuple[SecretStr, ...] = ()
    users: Mapping[str, CredentialSettings] = {}
