"""Cash as a station has it: its parts by the settings, what a station that died left to do, and its routes."""

from dataclasses import dataclass

from fastapi import APIRouter

from bss.cash import api
from bss.cash.bank import Bank
from bss.cash.debits import Debits
from bss.cash.providers import Providers
from bss.cash.vouchers import Vouchers
from bss.dunning.fulfilment import Login
from bss.receivables.payments import Payments
from bss.settings import BssSettings
from station.clock import Clock
from station.scope import STATION


@dataclass(frozen=True, slots=True)
class Cash:
    payments: Payments
    settings: BssSettings
    login: Login
    clock: Clock

    @property
    def providers(self) -> Providers:
        return Providers(self.payments, self.settings.cash, self.login)

    async def resume(self) -> None:
        """Read what was kept and not read."""
        await Bank(self.payments).resume(STATION, self.clock.now_ns())
        await self.providers.resume(self.clock.now_ns())

    def routers(self) -> list[APIRouter]:
        debits = Debits(self.payments, self.settings.cash, self.settings.operator_name)
        return api.routers(debits, Bank(self.payments), Vouchers(self.payments), self.providers, self.clock)
