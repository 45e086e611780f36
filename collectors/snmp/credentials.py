"""Who the station is to an agent. Secrets never appear in `repr` or a log line."""

from dataclasses import dataclass, field

from collectors.codecs.snmp import Version
from collectors.codecs.usm import PASSWORD_OCTETS_MIN, Auth, Priv

VERSIONS = {"1": Version.V1, "2c": Version.V2C, "3": Version.V3}


@dataclass(frozen=True, slots=True)
class SnmpCredential:
    """One way to ask an agent.

    `version` "1", "2c" or "3". v1 and v2c need `community`; v3 needs `user`, and by its level the protocols
    (collectors.codecs.usm names) with passwords of at least 8 octets; `context` is the v3 context name.
    ValueError names what is missing.
    """

    version: str = "2c"
    community: str = field(default="", repr=False)
    user: str = ""
    auth_protocol: str = ""
    auth_password: str = field(default="", repr=False)
    priv_protocol: str = ""
    priv_password: str = field(default="", repr=False)
    context: str = ""
    name: str = "default"

    def __post_init__(self) -> None:
        if self.version not in VERSIONS:
            raise ValueError(f"SNMP version {self.version!r}: want one of {', '.join(VERSIONS)}")
        if self.version != "3":
            return
        if not self.user:
            raise ValueError("SNMP version 3 needs a user")
        if self.auth_protocol:
            _password(Auth(self.auth_protocol), self.auth_password)
        if self.priv_protocol:
            _password(Priv(self.priv_protocol), self.priv_password)
            if not self.auth_protocol:
                raise ValueError("privacy needs authentication (RFC 3414, 1.4.2)")

    @property
    def wire_version(self) -> Version:
        return VERSIONS[self.version]

    @property
    def auth(self) -> Auth | None:
        return Auth(self.auth_protocol) if self.auth_protocol else None

    @property
    def priv(self) -> Priv | None:
        return Priv(self.priv_protocol) if self.priv_protocol else None


def _password(protocol: Auth | Priv, password: str) -> None:
    if len(password.encode()) < PASSWORD_OCTETS_MIN:
        raise ValueError(f"the password for {protocol} needs {PASSWORD_OCTETS_MIN} octets (RFC 3414, 11.2)")
