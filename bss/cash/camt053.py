"""Bank statements: ISO 20022 camt.053 of any version from 001.02 on, read into plain entries without a database.

The versions differ in where a party's name stands; names of elements are matched without their namespace.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from lxml import etree

from bss import money

SIZE_MAX: Final = 16 << 20  # octets of a file
ENTRIES_MAX: Final = 100_000
_NAMESPACE: Final = re.compile(r"urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.\d\d")


class CamtError(Exception):
    """It is no statement, or one that does not add up."""


@dataclass(frozen=True, slots=True)
class BankEntry:
    """One transaction of the account; `amount_minor` above nothing came in. `ref`: what the bank calls it, "" for nothing."""

    ref: str
    day: str
    currency: str
    amount_minor: int
    end_to_end_id: str = ""
    part_id: str = ""
    mandate_id: str = ""
    words: str = ""
    name: str = ""
    iban: str = ""
    return_code: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of one account, its entries in order; opening plus entries is closing."""

    account: str
    number: str
    currency: str
    opening_minor: int
    closing_minor: int
    entries: tuple[BankEntry, ...]


def read(content: bytes) -> list[Statement]:
    """Every statement of a file; CamtError."""
    if len(content) > SIZE_MAX:
        raise CamtError(f"A file has at most {SIZE_MAX >> 20} MiB.")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise CamtError(f"This is not XML: {error}") from error
    if root.getroottree().docinfo.doctype:
        raise CamtError("A statement has no document type.")
    if not _NAMESPACE.fullmatch(etree.QName(root).namespace or ""):
        raise CamtError("This is not a camt.053 statement.")
    return [_statement(node) for node in _all(root, "BkToCstmrStmt/Stmt")]


def _statement(node: Any) -> Statement:
    account = _text(node, "Acct/Id/IBAN") or _text(node, "Acct/Id/Othr/Id")
    booked = [one for one in _all(node, "Ntry") if (_text(one, "Sts/Cd") or _text(one, "Sts")) == "BOOK"]
    entries = tuple(one for each in booked for one in _entries(each))
    if len(entries) > ENTRIES_MAX:
        raise CamtError(f"A statement has at most {ENTRIES_MAX} entries.")
    balances = {_text(each, "Tp/CdOrPrtry/Cd"): _signed(each) for each in _all(node, "Bal")}
    opening, closing = balances.get("OPBD") or balances.get("PRCD"), balances.get("CLBD")
    if opening is None or closing is None or not account:
        raise CamtError("A statement names its account, and its opening and closing booked balances.")
    currency = closing[1]
    moved = sum(one.amount_minor for one in entries)
    if any(one.currency != currency for one in entries) or opening[0] + moved != closing[0]:
        raise CamtError(
            f"The statement does not add up: {opening[0]} and entries of {moved} are not {closing[0]} minor units of {currency}."
        )
    return Statement(account, _text(node, "Id") or _text(node, "ElctrncSeqNb"), currency, opening[0], closing[0], entries)


def _entries(node: Any) -> Iterator[BankEntry]:
    """An entry, or each transaction of one that is booked in a batch and told in detail."""
    minor, currency = _signed(node)
    day = _text(node, "ValDt/Dt") or _text(node, "BookgDt/Dt") or (_text(node, "ValDt/DtTm") or _text(node, "BookgDt/DtTm"))[:10]
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", day):
        raise CamtError("An entry has a value date or a booking date.")
    ref = _text(node, "AcctSvcrRef") or _text(node, "NtryRef")
    whole = BankEntry(ref, day, currency, minor, part_id=_text(node, "NtryDtls/Btch/PmtInfId"), words=_text(node, "AddtlNtryInf"))
    details = _all(node, "NtryDtls/TxDtls")
    if not details:
        yield whole
        return
    parts = [_detailed(whole, each, n if len(details) > 1 else 0) for n, each in enumerate(details, start=1)]
    if len(parts) == 1:
        yield replace(parts[0], amount_minor=minor)  # charges are in the detail, what was booked is the entry
    elif sum(one.amount_minor for one in parts) == minor:
        yield from parts
    else:
        raise CamtError(f"The transactions of the entry {ref or day} are not what was booked.")


def _detailed(whole: BankEntry, node: Any, n: int) -> BankEntry:
    came_in = whole.amount_minor >= 0
    sign = {"CRDT": 1, "DBIT": -1}.get(_text(node, "CdtDbtInd"), 1 if came_in else -1)
    amount = _first(node, "Amt", "AmtDtls/TxAmt/Amt")
    minor = sign * _minor(amount)[0] if amount is not None else whole.amount_minor
    other = "Dbtr" if sign > 0 else "Cdtr"
    structured = _text(node, "RmtInf/Strd/CdtrRefInf/Ref")
    words = " ".join(filter(None, [structured, *(each.text or "" for each in _all(node, "RmtInf/Ustrd"))])) or whole.words
    return replace(
        whole,
        ref=f"{_text(node, 'Refs/AcctSvcrRef') or whole.ref}{f'/{n}' if n else ''}",
        amount_minor=minor,
        end_to_end_id=_given(_text(node, "Refs/EndToEndId")),
        part_id=_text(node, "Refs/PmtInfId") or whole.part_id,
        mandate_id=_text(node, "Refs/MndtId"),
        words=words[:1024],
        name=(_text(node, f"RltdPties/{other}/Nm") or _text(node, f"RltdPties/{other}/Pty/Nm"))[:140],
        iban=_text(node, f"RltdPties/{other}Acct/Id/IBAN")[:34],
        return_code=_text(node, "RtrInf/Rsn/Cd") or _text(node, "RtrInf/Rsn/Prtry"),
    )


def _given(text: str) -> str:
    return "" if text == "NOTPROVIDED" else text


def _signed(node: Any) -> tuple[int, str]:
    """(minor units, currency): above nothing is credit."""
    amount = _first(node, "Amt")
    if amount is None:
        raise CamtError("A balance or entry has an amount.")
    minor, currency = _minor(amount)
    return (minor if _text(node, "CdtDbtInd") == "CRDT" else -minor), currency


def _minor(node: Any) -> tuple[int, str]:
    currency = node.get("Ccy", "")
    try:
        exact = Decimal((node.text or "").strip()).scaleb(money.exponent(currency))
    except InvalidOperation as error:
        raise CamtError(f"{node.text!r} is no amount.") from error
    if not exact.is_finite() or exact != exact.to_integral_value() or exact < 0 or exact > 1 << 53 or currency not in money.CURRENCIES:
        raise CamtError(f"{node.text} {currency} is no amount of whole minor units.")
    return int(exact), currency


def _all(node: Any, path: str) -> list[Any]:
    return list(node.iterfind("/".join(f"{{*}}{name}" for name in path.split("/"))))


def _first(node: Any, *paths: str) -> Any:
    return next((found[0] for path in paths if (found := _all(node, path))), None)


def _text(node: Any, path: str) -> str:
    found = _all(node, path)
    return (found[0].text or "").strip() if found else ""
