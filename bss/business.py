"""The business side as a station has it: its parts made from one state store, what they do by themselves, and every route."""

from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter

import bss.api
import bss.dunning.station
import bss.parties.station
import bss.receivables.tmf676
from billing_bridge.samples import SampleSource
from bss import sla_credits, tmf654, tmf678, tmf_catalogue
from bss.balance import Balances
from bss.billing import Biller
from bss.cash.station import Cash
from bss.dunning.fulfilment import Login
from bss.dunning.runner import Runner
from bss.notes import Notes
from bss.parties.customers import Customers
from fault.notify.settings import SmtpSettings
from fault.service import FaultService
from perf.sla.levels import Levels
from station.clock import Clock
from station.scope import STATION
from station.security.targets import Guard


@dataclass(frozen=True, slots=True)
class Business:
    """Billing, balances, cash and dunning over one biller's state."""

    biller: Biller
    balances: Balances
    cash: Cash
    dunning: Runner
    guard: Guard
    clock: Clock

    @classmethod
    def of(
        cls, biller: Biller, smtp: SmtpSettings, guard: Guard, login: Login, clock: Clock, out: Callable[[], Collection[str]]
    ) -> "Business":
        """`out`: the customers that are out of service now."""
        proposals = bss.api.proposals_of(biller.state, biller)
        cash = Cash(proposals.payments, biller.settings, login, clock)
        dunning = bss.dunning.station.runner(proposals, biller.settings, smtp, guard, login, clock, out)
        return cls(biller, Balances(biller.state), cash, dunning, guard, clock)

    def works(self) -> Mapping[str, Callable[[], Coroutine[Any, Any, None]]]:
        """What runs by itself."""
        acts = tmf654.Acts(self.biller.state, self.balances, self.clock)
        return {"prepaid acts": lambda: acts.resume(STATION), "dunning": self.dunning.run, "cash": self.cash.resume}

    def routers(
        self, samples: SampleSource, faults: FaultService, levels: Levels, reload: Callable[[], Awaitable[object]]
    ) -> list[APIRouter]:
        """`reload` looks at the inventory again, where customers stand too."""
        state, settings, guard, clock = self.biller.state, self.biller.settings, self.guard, self.clock
        return [
            bss.api.router(state, self.biller, samples, clock),
            bss.dunning.station.router(self.dunning),
            *self.cash.routers(),
            sla_credits.router(state, levels, Notes(state, settings), clock),
            tmf654.router(state, self.balances, guard, clock),
            tmf678.router(state, guard, clock),
            bss.receivables.tmf676.router(bss.api.proposals_of(state, self.biller), guard, clock),
            *bss.parties.station.routers(
                Customers(state, settings.currency, reload), self.biller.billing.zone, guard, clock, faults, levels
            ),
            *tmf_catalogue.routers(state, self.biller.tariffs, guard, clock),
        ]
