"""Account numbers (ISO 13616) and creditor references (ISO 11649): their check digits are those of ISO 7064, mod 97-10."""

import re
from typing import Final

_IBAN: Final = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
_LENGTHS: Final = {
    "AD": 24, "AT": 20, "BE": 16, "BG": 22, "CH": 21, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "EE": 20, "ES": 24, "FI": 18, "FR": 27,
    "GB": 22, "GI": 23, "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IS": 26, "IT": 27, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27,
    "MT": 31, "NL": 18, "NO": 15, "PL": 28, "PT": 25, "RO": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "VA": 22,
}  # fmt: skip


class IbanError(Exception):
    """It is no account number of the SEPA area."""


def checked_iban(text: str) -> str:
    """The IBAN in its electronic form; IbanError."""
    iban = re.sub(r"\s", "", text).upper()
    if not _IBAN.fullmatch(iban) or _LENGTHS.get(iban[:2]) != len(iban) or _rest(iban) != 1:
        raise IbanError("This is not an IBAN of the SEPA area.")
    return iban


def _rest(text: str) -> int:
    return int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97


def hidden(iban: str) -> str:
    """What is shown of an account number."""
    return f"{iban[:4]} ... {iban[-4:]}" if iban else ""
