"""Reads tables of one device; a table that cannot be read costs only itself."""

from collections.abc import Sequence

from collectors.codecs.ber import Oid, dotted
from collectors.codecs.snmp import NO_SUCH_INSTANCE, VarBind
from collectors.snmp.client import SnmpClient, SnmpError
from collectors.snmp.walk import Table


class Reader:
    """Notes in `problems` which tables could not be read and why."""

    def __init__(self, client: SnmpClient) -> None:
        self.client = client
        self.problems: list[str] = []

    async def table(self, what: str, columns: Sequence[Oid]) -> Table:
        """The columns as far as they could be read."""
        try:
            table = await self.client.walk(columns)
        except SnmpError as error:
            self.problems.append(f"{what}: {error.reason}")
            return Table({})
        self.problems += [f"{what}: {reason}" for reason in table.problems]
        return table

    async def scalars(self, oids: Sequence[Oid]) -> list[VarBind]:
        """The variables in the order asked, those that exist or not; all missing when the agent fails."""
        try:
            return await self.client.get(oids)
        except SnmpError as error:
            self.problems.append(f"{dotted(oids[0])}: {error.reason}")
            return [VarBind(oid, NO_SUCH_INSTANCE, None) for oid in oids]
