"""`[bss.dunning]`: which policy duns, and by which ways its requests reach the network."""

from pydantic import Field

from station.settings import Settings


class NasSettings(Settings):
    """An access server that takes RFC 5176 requests; `name` is how its session accounting calls it."""

    name: str = Field(min_length=1, max_length=255)
    address: str = Field(min_length=1, max_length=64)
    port: int = Field(3_799, ge=1, le=65_535)
    credential: str = Field(min_length=1, max_length=64, description="a login in the vault whose password is the shared secret")


class FilterSettings(Settings):
    """What `Filter-Id` (RFC 2865, 5.11) the access servers know each state by."""

    throttle: str = Field("throttled", min_length=1, max_length=253)
    walled_garden: str = Field("walled-garden", min_length=1, max_length=253)
    restore: str = Field("normal", min_length=1, max_length=253)


class DunningSettings(Settings):
    """Without a policy nobody is dunned. `webhook` is sent every request for a service, signed with the password of the login
    `webhook_credential`."""

    policy: str = Field("", max_length=64)
    look_s: float = Field(2.0, gt=0, le=30, description="how often payments, holds and answers are looked at")
    webhook: str = Field("", max_length=2048)
    webhook_credential: str = Field("", max_length=64)
    nas: tuple[NasSettings, ...] = ()
    filters: FilterSettings = FilterSettings()
    attempts_max: int = Field(50, ge=1)
    backoff_most_s: float = Field(20.0, gt=0, le=3600)
