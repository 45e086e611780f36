"""What vendors' MIB modules get wrong, put right before a second try: each step is a plain function from text to text.

Only the shape is mended, never a number: an end that is missing, a list of imports without its semicolon, a thing
defined twice, an underscore in a name, something imported from a module that nobody has while another one defines it.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

NEWEST: Final = re.compile(r'\bLAST-UPDATED\s+"(\d{10,12})Z"')
_IMPORTS: Final = re.compile(r"\bIMPORTS\b(.*?);", re.DOTALL)
_FROM: Final = re.compile(r"([^;]*?)\bFROM\s+([A-Za-z][\w-]*)", re.DOTALL)
_SYMBOL: Final = re.compile(r"[A-Za-z][\w-]*")
_DEFINES: Final = re.compile(
    r"^[ \t]*([A-Za-z][\w-]*)\s+(?:OBJECT\s+IDENTIFIER|MODULE-IDENTITY|OBJECT-IDENTITY|OBJECT-TYPE|::=)", re.MULTILINE
)
_FROM_UNDERSCORED: Final = re.compile(r"\bFROM\s+\w+_[\w-]*")
_COMMENT: Final = re.compile(r"--.*?(?:--|$)", re.MULTILINE)
_FIRST_DEFINITION: Final = re.compile(r"\b[a-z][\w-]*\s+(?:OBJECT\s+IDENTIFIER|MODULE-IDENTITY|OBJECT-IDENTITY|OBJECT-TYPE)\b(?!\s*[,;])")


def cleaned(text: str) -> str:
    """A file's text without a byte order mark, NULs and the end-of-file sign of old systems."""
    return text.translate({0xFEFF: None, 0: None, 0x1A: None})


def headed(name: str, rest: str) -> tuple[str, str]:
    """(name, text) of a module by its name and what follows its BEGIN; names of modules have hyphens, not underscores."""
    usual = _FROM_UNDERSCORED.sub(lambda found: found[0].replace("_", "-"), rest)
    plain = name.replace("_", "-")
    return plain, f"{plain} DEFINITIONS ::= BEGIN{usual}"


def newer(text: str, other: str) -> bool:
    """Whether of two texts of one module the first was updated later, or says more when both say the same date."""
    return (_updated(text), len(text)) > (_updated(other), len(other))


def _updated(text: str) -> str:
    found = NEWEST.search(text)
    told = found[1] if found else ""
    return told if len(told) != 10 else f"19{told}"  # two digits of the year, RFC 1442


def mended(text: str, missing: Iterable[str], defined: Mapping[str, str]) -> str:
    """A module that was refused, in a shape that may be taken; `defined` is which module defines a symbol."""
    return ended(once(imports_ended(hyphened(imported_elsewhere(text, set(missing), defined)))))


def hyphened(text: str) -> str:
    """Names have no underscores (RFC 2578, 3.1); what stands in quotes is left alone."""
    parts = text.split('"')
    parts[::2] = [re.sub(r"(?<=[A-Za-z0-9])_+(?=[A-Za-z0-9])", "-", part) for part in parts[::2]]
    return '"'.join(parts)


def definitions(texts: Mapping[str, str]) -> dict[str, str]:
    """Which module defines each symbol, the first of several."""
    found: dict[str, str] = {}
    for module, text in texts.items():
        for symbol in _DEFINES.findall(text):
            found.setdefault(symbol, module)
    return found


def ended(text: str) -> str:
    """A module has an end."""
    return text if re.search(r"^[ \t]*END\b", text, re.MULTILINE) else f"{text.rstrip()}\nEND\n"


def imports_ended(text: str) -> str:
    """A list of imports ends with a semicolon before what is defined first."""
    start = re.search(r"\bIMPORTS\b", text)
    first = _FIRST_DEFINITION.search(text, start.end()) if start else None
    if start is None or first is None or ";" in _COMMENT.sub("", text[start.end() : first.start()]):
        return text
    return f"{text[: first.start()].rstrip()};\n{text[first.start() :]}"


def once(text: str) -> str:
    """A thing that is defined twice is what it was the first time."""
    seen: set[str] = set()
    kept, at = "", 0
    for found in _DEFINES.finditer(text):
        if found[1] in seen and found[1] not in ("IMPORTS", "SYNTAX"):
            stop = re.compile(r"::=\s*(?:\{[^}]*\}|[^{\s][^\n]*)").search(text, found.start())
            kept, at = kept + text[at : found.start()], stop.end() if stop else len(text)
        seen.add(found[1])
    return kept + text[at:]


def imported_elsewhere(text: str, missing: set[str], defined: Mapping[str, str]) -> str:
    """What is imported from a module that nobody has comes from the one that defines it; the rest is left away."""
    imports = _IMPORTS.search(text)
    if imports is None or not missing:
        return text
    parts = []
    for names, module in _FROM.findall(_COMMENT.sub("", imports[1])):
        symbols = _SYMBOL.findall(names)
        if module not in missing:
            parts.append(f"{', '.join(symbols)} FROM {module}")
        else:
            parts += [f"{symbol} FROM {defined[symbol]}" for symbol in symbols if symbol in defined]
    return f"{text[: imports.start()]}IMPORTS {' '.join(parts)};{text[imports.end() :]}"
