"""Dunning as a station has it: its policy by the settings, its ways, its loop and its routes."""

from collections.abc import Callable, Collection

from fastapi import APIRouter

from bss.dunning import api
from bss.dunning.cases import Dunning
from bss.dunning.fulfilment import Letters, Login, Sessions, Ways, Webhook
from bss.dunning.runner import Runner
from bss.dunning.terms import Terms, shipped
from bss.receivables.proposals import Proposals
from bss.settings import BssSettings
from fault.notify.settings import SmtpSettings
from station.clock import Clock
from station.scope import STATION
from station.security.targets import Guard
from station.settings import Fault, SettingsError


def runner(
    proposals: Proposals,
    settings: BssSettings,
    smtp: SmtpSettings,
    guard: Guard,
    login: Login,
    clock: Clock,
    out: Callable[[], Collection[str]],
) -> Runner:
    """SettingsError where the policy is none of `config/dunning`."""
    of, state = settings.dunning, proposals.payments.state
    ways = Ways([Sessions(state, of, login), Webhook(guard, of, login), Letters(smtp)])
    dunning = Dunning(proposals, of.policy, policy(of.policy), settings.operator_name) if of.policy else None
    return Runner(state, dunning, ways, of, clock, STATION, out)


def policy(name: str) -> Terms:
    if name not in shipped():
        raise SettingsError(Fault("settings", 0, "bss.dunning.policy", f"no policy {name!r}; there are {', '.join(shipped())}"))
    return shipped()[name]


def router(of: Runner) -> APIRouter:
    return api.router(of.state, of.dunning, of.clock)
