"""The resources of TMF632, 651, 666, 669 and 683 that clients keep, beside those that the station computes."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from station.scope import Role, Scope
from station.tmf.documents import Json, Kind
from station.web import ProblemError, iso

PARTY, ACCOUNT, ROLE = "party/v4", "accountManagement/v4", "partyRoleManagement/v4"
INTERACTION, AGREEMENT, CUSTOMER = "partyInteraction/v4", "agreementManagement/v4", "customerManagement/v4"
Computed = Callable[[AsyncConnection, Scope], Awaitable[Sequence[Json]]]

_TYPES: Final[Mapping[str, type]] = {"s": str, "a": list, "o": dict, "i": int, "b": bool}


def _attributes(text: str) -> dict[str, type]:
    """`name:s account:a` as the specification's attributes: text, array, object, whole number, boolean."""
    return {name: _TYPES[kind] for name, kind in (each.split(":") for each in text.split())}


_ROLE: Final = _attributes(
    "name:s status:s statusReason:s account:a agreement:a characteristic:a contactMedium:a creditProfile:a engagedParty:o"
    " paymentMethod:a relatedParty:a validFor:o"
)
_PARTY: Final = _attributes(
    "contactMedium:a creditRating:a externalReference:a otherName:a partyCharacteristic:a relatedParty:a status:s taxExemptionCertificate:a"
)
_ACCOUNT: Final = _attributes(
    "accountType:s description:s lastModified:s name:s state:s accountBalance:a accountRelationship:a contact:a creditLimit:o"
    " relatedParty:a taxExemption:a"
)
_PAID: Final = _ACCOUNT | _attributes("paymentStatus:s billStructure:o defaultPaymentMethod:o financialAccount:o paymentPlan:a")


def _customer_of(body: Json) -> str:
    """Whose it is: the customer among the parties named, else the first."""
    parties = [one for name in ("engagedParty", "relatedParty") for one in _list(body.get(name)) if isinstance(one, dict)]
    named = [one for one in parties if "ustomer" in f"{one.get('role', '')}{one.get('@referredType', '')}"]
    return str((named or parties or [{}])[0].get("id") or "")[:36]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def _kind(base: str, name: str, attributes: Mapping[str, type], required: str, computed: Computed | None = None, **more: Any) -> Kind:
    more |= {"computed": computed} if computed else {}
    more |= {"customer_of": _customer_of, "reads": Role.BILLING, "writes": Role.BILLING}
    return Kind(base.split("/", maxsplit=1)[0], base, name, attributes, tuple(required.split()), **more)


def _stated(first: str, states: Sequence[str], stamped: Sequence[str]) -> Callable[[Json, Json | None, int], Json]:
    """A settle that gives a new one its first status, knows the others, and stamps when it was made and changed."""

    def settle(body: Json, before: Json | None, now_ns: int) -> Json:
        status = body.get("status") or first
        if status not in states:
            raise ProblemError(400, "Not valid", f"status is one of {', '.join(states)}.")
        made = {name: body.get(name) or iso(now_ns) for name in stamped[:1]}
        if len(stamped) > 1 and (before is None or before.get("status") != status):
            made[stamped[1]] = iso(now_ns)
        return body | {"status": status} | made

    return settle


INTERACTION_STATES: Final = ("opened", "inProgress", "completed", "cancelled")
AGREEMENT_STATES: Final = ("inProcess", "pendingUpdate", "validated", "active", "rejected", "terminated")


def interactions() -> Kind:
    attributes = _attributes(
        "creationDate:s description:s direction:s reason:s status:s statusChangeDate:s attachment:a channel:a interactionDate:o"
        " interactionItem:a interactionRelationship:a note:a relatedParty:a"
    )
    settle = _stated("opened", INTERACTION_STATES, ("creationDate", "statusChangeDate"))
    return _kind(INTERACTION, "partyInteraction", attributes, "reason direction channel", settle=settle, states={"status": "StateChange"})


def agreements() -> tuple[Kind, Kind]:
    made = _attributes(
        "agreementType:s description:s documentNumber:i initialDate:s name:s statementOfIntent:s status:s version:s"
        " agreementAuthorization:a agreementItem:a agreementPeriod:o agreementSpecification:o associatedAgreement:a characteristic:a"
        " completionDate:o engagedParty:a"
    )
    specified = _attributes(
        "description:s isBundle:b lastUpdate:s lifecycleStatus:s name:s version:s attachment:a relatedParty:a serviceCategory:o"
        " specificationCharacteristic:a specificationRelationship:a validFor:o"
    )
    settle = _stated("inProcess", AGREEMENT_STATES, ("initialDate",))
    wanted = "agreementItem agreementType engagedParty name"
    agreement = _kind(AGREEMENT, "agreement", made, wanted, settle=settle, states={"status": "StateChange"})
    return agreement, _kind(AGREEMENT, "agreementSpecification", specified, "attachment name")


def roles() -> Kind:
    return _kind(ROLE, "partyRole", _ROLE | {"roleType": dict}, "name roleType", states={"status": "StatusChange"})


def parties(organizations: Computed) -> tuple[Kind, Kind]:
    """`organizations` are the customers of the inventory."""
    person = _PARTY | _attributes(
        "aristocraticTitle:s birthDate:s countryOfBirth:s deathDate:s familyName:s familyNamePrefix:s formattedName:s fullName:s gender:s"
        " generation:s givenName:s legalName:s location:s maritalStatus:s middleName:s nationality:s placeOfBirth:s"
        " preferredGivenName:s title:s disability:a individualIdentification:a languageAbility:a skill:a"
    )
    firm = _PARTY | _attributes(
        "isHeadOffice:b isLegalEntity:b name:s nameType:s organizationType:s tradingName:s existsDuring:o"
        " organizationChildRelationship:a organizationIdentification:a organizationParentRelationship:o"
    )
    states = {"status": "StateChange"}
    individual = _kind(PARTY, "individual", person, "givenName familyName", states=states)
    return individual, _kind(PARTY, "organization", firm, "tradingName", organizations, states=states)


def accounts(billing: Computed) -> tuple[Kind, ...]:
    """`billing` are the billing accounts of the inventory's customers."""
    named = _attributes("name:s description:s")
    cycle = named | _attributes(
        "billingDateShift:i billingPeriod:s chargeDateOffset:i creditDateOffset:i frequency:s mailingDateOffset:i paymentDueDateOffset:i"
        " validFor:o"
    )
    states = {"state": "StateChange"}
    return (
        _kind(ACCOUNT, "partyAccount", _PAID, "name relatedParty", states=states),
        _kind(ACCOUNT, "billingAccount", _PAID | _attributes("ratingType:s"), "name relatedParty", billing, states=states),
        _kind(ACCOUNT, "settlementAccount", _PAID, "name relatedParty", states=states),
        _kind(ACCOUNT, "financialAccount", _ACCOUNT, "name", states=states),
        _kind(ACCOUNT, "billingCycleSpecification", cycle, "name"),
        _kind(ACCOUNT, "billFormat", named, "name"),
        _kind(ACCOUNT, "billPresentationMedia", named, "name"),
    )


def customers() -> Kind:
    """TMF629: `status` of a role is told apart."""
    return _kind(CUSTOMER, "customer", _ROLE, "name engagedParty", states={"status": "StateChange"})
