"""Where money leaks, and what looks like fraud: rules over what a closed month says of each service, each finding with reasons.

Rules are pure and read `Facts`; nothing is cut off by a finding, a person looks. Scores are 0 to 100: how sure the rule is.

    leak    active and not billed, billed and not active, a fee or a meter missing, usage in suspense, used and not rated,
            rated at nothing, rated twice, on another's bill, by another tariff, by a version that is over, unlike its equals,
            below nothing, ended and used, suspended and used, not measured, two meters that disagree
    fraud   a spike of usage, sessions at more places at once than one customer has
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

SPIKE: Final = 10  # times the month before
SPIKE_OCTETS: Final = 100 << 30
ALIKE_MIN: Final = 5  # services of a tariff before one of them is unlike the others
ALIKE_PPM: Final = 800_000  # that must agree
PLACES_MAX: Final = 1  # access servers at once of one service


@dataclass(frozen=True, slots=True)
class Rated:
    """A charge of the month as it was last rated; `charge` is its place in the tariff and its name there, as `1.flat`."""

    charge: str
    customer_id: str
    tariff: str
    effective: str
    amount_minor: int
    currency: str

    @property
    def place(self) -> str:
        """Where in its tariff the charge stands, from 1."""
        return self.charge.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a tariff in force charges: its fees by name, its charges on usage by their place, and the day its version is of."""

    effective: str
    fees: frozenset[str] = frozenset()
    metered: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Facts:
    """What a month says of one service. Octets are those of its ports; `portions` are rated, zero-rated or waiting by count."""

    id: str
    number: str
    customer_id: str
    tariffs: frozenset[str]
    active: bool
    whole_month: bool
    payers: frozenset[str] = frozenset()
    rated: Sequence[Rated] = ()
    ports: frozenset[str] = frozenset()
    silent_ports: frozenset[str] = frozenset()  # without a record of some meter
    guided_octets: int = 0
    recycled_octets: int = 0
    recycled_why: str = ""
    before_octets: int = 0
    after_end_octets: int = 0
    after_suspension_octets: int = 0
    waiting: int = 0
    zero_rated: int = 0
    twice: Sequence[str] = ()  # other services that were charged for the same portions
    events: int = 0
    meters_ppm: int = 0  # by how much two meters of the service disagree, 0 where they agree or there is one
    places: int = 0  # access servers at which it had sessions at once


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says of a service."""

    kind: str
    service: str
    score: int
    reasons: tuple[str, ...]
    fraud: bool = False


@dataclass(frozen=True, slots=True)
class Month:
    """All services of a month, and what their tariffs charge. `billed`: the bill run is over."""

    facts: Sequence[Facts]
    terms: Mapping[str, Terms] = field(default_factory=dict)
    billed: bool = True


Rule = Callable[[Facts, Mapping[str, Terms]], Iterator[tuple[int, str]]]


def _unbilled(of: Facts, terms: Mapping[str, Terms]) -> Iterator[tuple[int, str]]:
    if of.active and not of.rated and any(bool(terms[name].fees or terms[name].metered) for name in of.tariffs if name in terms):
        yield 95, "it was active and nothing of it was rated"


def _no_tariff(of: Facts, terms: Mapping[str, Terms]) -> Iterator[tuple[int, str]]:
    if of.active and not any(name in terms for name in of.tariffs):
        yield 95, "it was active and has no tariff in force"


def _billed_inactive(of: Facts, _terms: Mapping[str, Terms]) -> Iterator[tuple[int, str]]:
    if not of.active and sum(one.amount_minor for one in of.rated) != 0:
        yield 90, "it was not active and an amount stands"


def _fee_missing(of: Facts, terms: Mapping[str, Terms]) -> Iterator[tuple[int, str]]:
    if not (of.whole_month and of.rated):
        return
    for name in sorted(of.tariffs & terms.keys()):
        lacking = terms[name].fees - {one.charge for one in of.rated if one.tariff == name}
        if lacking:
            yield 90, f"{', '.join(sorted(lacking))} of {name} was not charged"


def _unmetered(of: Facts, terms: Mapping[str, Terms]) -> Iterator[tuple[int, str]]:
    if of.active and not of.ports and not of.events and any(bool(terms[name].metered) for name in of.tariffs if name in terms):
        yield 85, "its tariff charges usage and nothing measures it"


def _silent(of: Facts, _terms: Mapping[str, Terms]) -> Iterator[tuple[int, str]]:
    if of.active and of.silent_ports:
        yield 80, f"{len(of.silent_ports)} of its {len(of.ports)} ports have no record"


def _suspense(of: Facts, _terms: Mapping[str, Terms]) -> Iterator[tuple[int, str]]:
    if of.recycled_octets:
        yield 80, f"{of.recycled_octets} octets wait: {of.recycled_why}"


def _waiting(of: Facts, _terms: Mapping[str, Terms]) -> Iterator[tuple[int, str]]:
    if of.waiting:
        yield 90, f"{of.waiting} portions of its usage are guided and were never rated"


def _zero_rated(of: Facts, terms: Mapping[str, Terms]) -> Iterator[tuple[int, str]]:
    metered = {name for tariff in of.tariffs & terms.keys() for name in terms[tariff].metered}
    if of.zero_rated and of.guided_octets and metered and not metered & {one.place for one in of.rated}:
        yield 85, f"{of.zero_rated} portions were rated at nothing though the tariff charges usage"


def _twice(of: Facts, _terms: Mapping[str, Terms]) -> Iterator[tuple[int, str]]:
    if of.twice:
        yield 95, f"the same usage was charged to {', '.join(of.twice)}"


def _others_bill(of: Facts, _terms: Mapping[str, Terms]) -> Iterator[tuple[int, str]]:
    strangers = {one.customer_id for one in of.rated if one.amount_minor} - of.payers - {of.customer_id}
    if strangers:
        yield 95, f"it stands on the bill of {', '.join(sorted(strangers))}"


def _other_tariff(of: Facts, _terms: Mapping[str, Terms]) -> Iterator[tuple[int, str]]:
    strange = {one.tariff for one in of.rated} - of.tariffs
    if strange and of.active:
        yield 85, f"it was rated by {', '.join(sorted(strange))} and has {', '.join(sorted(of.tariffs)) or 'none'}"


def _old_version(of: Facts, terms: Mapping[str, Terms]) -> Iterator[tuple[int, str]]:
    old = {one.effective for one in of.rated if one.tariff in terms and one.effective < terms[one.tariff].effective}
    if old:
        yield 85, f"it was rated by a version of {min(old)}, which is over"


def _below_nothing(of: Facts, _terms: Mapping[str, Terms]) -> Iterator[tuple[int, str]]:
    if sum(one.amount_minor for one in of.rated) < 0:
        yield 90, "its charges come to less than nothing"


def _ended_used(of: Facts, _terms: Mapping[str, Terms]) -> Iterator[tuple[int, str]]:
    if of.after_end_octets:
        yield 85, f"{of.after_end_octets} octets went through its ports after it ended"


def _suspended_used(of: Facts, _terms: Mapping[str, Terms]) -> Iterator[tuple[int, str]]:
    if of.after_suspension_octets:
        yield 85, f"{of.after_suspension_octets} octets went through its ports while it was suspended"


def _meters(of: Facts, _terms: Mapping[str, Terms]) -> Iterator[tuple[int, str]]:
    if of.meters_ppm:
        yield 75, f"its two meters differ by {of.meters_ppm} ppm"


LEAKS: Final[Mapping[str, Rule]] = {
    "unbilled_active": _unbilled,
    "no_tariff": _no_tariff,
    "billed_inactive": _billed_inactive,
    "fee_missing": _fee_missing,
    "unmetered": _unmetered,
    "port_silent": _silent,
    "suspense": _suspense,
    "not_rated": _waiting,
    "rated_at_nothing": _zero_rated,
    "rated_twice": _twice,
    "anothers_bill": _others_bill,
    "other_tariff": _other_tariff,
    "old_version": _old_version,
    "below_nothing": _below_nothing,
    "used_after_end": _ended_used,
    "used_while_suspended": _suspended_used,
    "meters_disagree": _meters,
}


def _spike(of: Facts, _terms: Mapping[str, Terms]) -> Iterator[tuple[int, str]]:
    if of.before_octets and of.guided_octets >= SPIKE * of.before_octets and of.guided_octets - of.before_octets >= SPIKE_OCTETS:
        times = of.guided_octets // of.before_octets
        yield min(95, 50 + times), f"{times} times the usage of the month before"


def _places(of: Facts, _terms: Mapping[str, Terms]) -> Iterator[tuple[int, str]]:
    if of.places > PLACES_MAX:
        yield min(95, 60 + 10 * of.places), f"sessions at {of.places} access servers at once"


FRAUDS: Final[Mapping[str, Rule]] = {"usage_spike": _spike, "impossible_concurrency": _places}


def findings(month: Month) -> list[Finding]:
    """Every finding, the surest first; leaks only once the month is billed."""
    found = [
        Finding(kind, of.number, score, (words,), fraud)
        for of in month.facts
        for rules, fraud in ((LEAKS if month.billed else {}, False), (FRAUDS, True))
        for kind, rule in rules.items()
        for score, words in rule(of, month.terms)
    ]
    found += unlike(month) if month.billed else []
    return sorted(found, key=lambda one: (-one.score, one.kind, one.service))


def unlike(month: Month) -> list[Finding]:
    """Fees that differ from what all others of their tariff's version pay for a whole month."""
    alike: dict[tuple[str, str, str, str], list[tuple[Facts, int]]] = {}
    for of in month.facts:
        for one in of.rated if of.active and of.whole_month else ():
            if one.tariff in month.terms and one.charge in month.terms[one.tariff].fees:
                alike.setdefault((one.tariff, one.effective, one.charge, one.currency), []).append((of, one.amount_minor))
    found = []
    for (tariff, _, charge, _), rows in sorted(alike.items()):
        usual, n = Counter(amount for _, amount in rows).most_common(1)[0]
        if len(rows) < ALIKE_MIN or n * 1_000_000 < ALIKE_PPM * len(rows):
            continue  # no one amount is usual: it depends on something
        for of, amount in rows:
            if amount != usual:
                found.append(Finding("unlike_others", of.number, 70, (f"{charge} of {tariff} is {amount}, for {n} others {usual}",)))
    return found


@dataclass(frozen=True, slots=True)
class Costs:
    """What a service costs in minor units: each port a month, and each gigabyte (10^9 octets)."""

    port_minor: int = 0
    gigabyte_minor: int = 0


@dataclass(frozen=True, slots=True)
class Margin:
    """Revenue less cost of a service, in minor units; `percent` of the revenue, None where there is none."""

    service: str
    currency: str
    revenue_minor: int
    cost_minor: int

    @property
    def margin_minor(self) -> int:
        return self.revenue_minor - self.cost_minor


def margins(month: Month, costs: Costs) -> list[Margin]:
    """The margin of each service that was billed or cost something, the worst first. A cost is in the currency billed."""
    found = []
    for of in month.facts:
        cost = len(of.ports) * costs.port_minor * int(of.active) + of.guided_octets * costs.gigabyte_minor // 10**9
        revenue: dict[str, int] = {}
        for one in of.rated:
            revenue[one.currency] = revenue.get(one.currency, 0) + one.amount_minor
        for n, (currency, amount) in enumerate(sorted(revenue.items()) or ([("", 0)] if cost else [])):
            found.append(Margin(of.number, currency, amount, cost if n == 0 else 0))
    return sorted(found, key=lambda one: (one.margin_minor, one.service))
