"""Who is asking: no query runs without a scope."""

from dataclasses import dataclass
from enum import StrEnum

OPERATOR_TENANT = 1


class Role(StrEnum):
    """What a caller may do. Operators act on alarms, engineers also on devices, discovery and webhooks; billing owns the money."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ENGINEER = "engineer"
    BILLING = "billing"
    ADMIN = "admin"


_INCLUDES: dict[Role, frozenset[Role]] = {
    Role.VIEWER: frozenset({Role.VIEWER}),
    Role.OPERATOR: frozenset({Role.VIEWER, Role.OPERATOR}),
    Role.ENGINEER: frozenset({Role.VIEWER, Role.OPERATOR, Role.ENGINEER}),
    Role.BILLING: frozenset({Role.VIEWER, Role.BILLING}),
    Role.ADMIN: frozenset(Role),
}


class ForbiddenError(Exception):
    """The scope does not allow the act; `needs` names the role that would."""

    def __init__(self, act: str, needs: Role) -> None:
        super().__init__(f"{act} needs the role {needs}")
        self.act = act
        self.needs = needs


@dataclass(frozen=True, slots=True)
class Scope:
    """Tenant, role and the part of the network a caller may see (empty tuple: all of it)."""

    tenant: int
    role: Role
    user: str
    regions: tuple[str, ...] = ()
    customers: tuple[str, ...] = ()

    def require(self, role: Role, act: str) -> None:
        """Raise ForbiddenError unless this scope's role includes `role`."""
        if role not in _INCLUDES[self.role]:
            raise ForbiddenError(act, role)


STATION = Scope(tenant=OPERATOR_TENANT, role=Role.ADMIN, user="station")
