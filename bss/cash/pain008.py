"""Direct debits as ISO 20022 pain.008.001.08, after the EPC's customer-to-bank guidelines for SDD Core and B2B."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from lxml import etree

from bss import money

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:pain.008.001.08"
CURRENCY: Final = "EUR"
_LETTERS: Final = {
    "ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "æ": "ae", "Æ": "Ae", "ø": "o", "Ø": "O",
    "ł": "l", "Ł": "L", "&": "+", "_": "-",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Creditor:
    """Who collects: name, account and the creditor identifier."""

    name: str
    iban: str
    bic: str
    creditor_id: str


@dataclass(frozen=True, slots=True)
class Debit:
    """One collection."""

    end_to_end_id: str
    part_id: str
    amount_minor: int
    mandate_id: str
    signed_on: str
    scheme: str
    sequence: str
    holder: str
    iban: str
    bic: str
    words: str

    @property
    def part(self) -> tuple[str, str, str]:
        """What collections of one payment information block have in common."""
        return self.part_id, self.scheme, self.sequence


def write(message_id: str, created: str, collect_on: str, creditor: Creditor, debits: Sequence[Debit]) -> bytes:
    """The file; `created` is an ISO time without fraction. Amounts are euro cents."""
    document = etree.Element("Document", nsmap={None: NAMESPACE})
    root = _add(document, "CstmrDrctDbtInitn")
    head = _add(root, "GrpHdr")
    _texts(head, ("MsgId", message_id), ("CreDtTm", created), *_control(debits))
    _add(_add(head, "InitgPty"), "Nm", latin(creditor.name, 70))
    for _, part in groupby(sorted(debits, key=lambda one: one.part), key=lambda one: one.part):
        _part(root, collect_on, creditor, list(part))
    return bytes(etree.tostring(document, xml_declaration=True, encoding="UTF-8"))


def _part(root: Any, collect_on: str, creditor: Creditor, debits: Sequence[Debit]) -> None:
    """A payment information block: one scheme and one sequence type, booked as a whole."""
    first, info = debits[0], _add(root, "PmtInf")
    _texts(info, ("PmtInfId", first.part_id), ("PmtMtd", "DD"), ("BtchBookg", "true"), *_control(debits))
    kind = _add(info, "PmtTpInf")
    _add(_add(kind, "SvcLvl"), "Cd", "SEPA")
    _add(_add(kind, "LclInstrm"), "Cd", first.scheme)
    _texts(kind, ("SeqTp", first.sequence))
    _texts(info, ("ReqdColltnDt", collect_on))
    _add(_add(info, "Cdtr"), "Nm", latin(creditor.name, 70))
    _account(info, "CdtrAcct", creditor.iban)
    _agent(info, "CdtrAgt", creditor.bic)
    _texts(info, ("ChrgBr", "SLEV"))
    other = _add(_add(_add(_add(info, "CdtrSchmeId"), "Id"), "PrvtId"), "Othr")
    _add(other, "Id", creditor.creditor_id)
    _add(_add(other, "SchmeNm"), "Prtry", "SEPA")
    for debit in debits:
        _transaction(info, debit)


def _transaction(info: Any, debit: Debit) -> None:
    found = _add(info, "DrctDbtTxInf")
    _add(_add(found, "PmtId"), "EndToEndId", debit.end_to_end_id)
    amount = _add(found, "InstdAmt", money.text(debit.amount_minor, CURRENCY))
    amount.set("Ccy", CURRENCY)
    mandate = _add(_add(found, "DrctDbtTx"), "MndtRltdInf")
    _texts(mandate, ("MndtId", debit.mandate_id), ("DtOfSgntr", debit.signed_on))
    _agent(found, "DbtrAgt", debit.bic)
    _add(_add(found, "Dbtr"), "Nm", latin(debit.holder, 70))
    _account(found, "DbtrAcct", debit.iban)
    _add(_add(found, "RmtInf"), "Ustrd", latin(debit.words, 140))


def _control(debits: Sequence[Debit]) -> Iterable[tuple[str, str]]:
    yield "NbOfTxs", str(len(debits))
    yield "CtrlSum", money.text(sum(one.amount_minor for one in debits), CURRENCY)


def _account(parent: Any, name: str, iban: str) -> None:
    _add(_add(_add(parent, name), "Id"), "IBAN", iban)


def _agent(parent: Any, name: str, bic: str) -> None:
    """The bank; where only the IBAN is known it says so (EPC guidelines: NOTPROVIDED)."""
    bank = _add(_add(parent, name), "FinInstnId")
    if bic:
        _add(bank, "BICFI", bic)
    else:
        _add(_add(bank, "Othr"), "Id", "NOTPROVIDED")


def _add(parent: Any, name: str, text: str | None = None) -> Any:
    child = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    child.text = text
    return child


def _texts(parent: Any, *pairs: tuple[str, str]) -> None:
    for name, text in pairs:
        _add(parent, name, text)


def latin(text: str, most: int) -> str:
    """Text in the characters that every bank of the SEPA takes (EPC217-08): others lose their marks or become a dot."""
    plain = "".join(_LETTERS.get(char, char) for char in text)
    plain = "".join(char for char in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(char))
    plain = re.sub(r"\s+", " ", re.sub(r"[^A-Za-z0-9/?:().,'+ -]", ".", plain)).strip()
    return plain.lstrip("/-")[:most].strip() or "."
