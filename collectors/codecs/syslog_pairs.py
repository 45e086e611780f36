"""Lines that are pairs of key and value: FortiOS and its kin, CEF, LEEF, Check Point, as firewalls write them.

    date=2026-11-22 time=00:33:17 devname="fg1" logid="0100020090" level="warning" ...
    CEF:0|vendor|product|version|signature|name|severity|src=192.0.2.66 msg=text with spaces ...
    LEEF:2.0|vendor|product|version|event|^|src=192.0.2.66^usrName=root ...
    [action:"Accept"; origin:"192.0.2.1"; product:"VPN-1 & FireWall-1"; ...]

No I/O. Names keep a prefix (`kv.`, `cef.`, `leef.`), so that nothing a device says can pass for a field of a rule.
"""

import re
from typing import Final, NamedTuple

PAIRS_MAX: Final = 64
VALUE_CHARS_MAX: Final = 512

_FIRST = re.compile(r"(?:date|logver|devname|devid|device|device_name|timestamp|time|id|type)=|\[?[a-z_]{2,32}:\"|CEF: ?\d|LEEF: ?\d")
_PAIR = re.compile(r"([A-Za-z_][\w.-]{0,63})=(?:\"([^\"]*)\"?|([^\s,]*))")
_COLON = re.compile(r"([A-Za-z_]\w{0,63}):\"((?:[^\"\\]|\\.)*)\"")
_EXTENSION = re.compile(r"(?:^|\s)([A-Za-z_][\w.\[\]-]{0,63})=")
_PIPE = re.compile(r"(?<!\\)\|")
_PAIRS_MIN: Final = 3  # two may stand in any sentence
_HOSTS: Final = ("devname", "device_name", "dvchost", "dvc", "devName", "origin", "fw", "hostname")
_NAMES: Final = ("logid", "log_id", "m")
_SEVERITIES: Final = {
    "emerg": "emergency", "emergency": "emergency", "alert": "alert", "critical": "critical", "crit": "critical", "error": "error",
    "err": "error", "warning": "warning", "warn": "warning", "notice": "notice", "notification": "notice", "info": "informational",
    "information": "informational", "informational": "informational", "debug": "debug", "very-high": "critical", "high": "error",
    "medium": "warning", "low": "notice", "unknown": "notice",
}  # fmt: skip
_BY_NUMBER: Final = ("informational",) * 4 + ("warning",) * 3 + ("error",) * 2 + ("critical",) * 2  # CEF: 0 to 10


class Pairs(NamedTuple):
    """What a line of pairs says: the message's own name, its sender and severity ("" where it says none), all pairs."""

    name: str
    hostname: str
    severity: str
    params: dict[str, str]


def pairs(text: str) -> Pairs | None:
    """The pairs of a line that is made of them, else None."""
    if _FIRST.match(text) is None:
        return None
    if text.startswith("CEF:"):
        return _cef(text)
    if text.startswith("LEEF:"):
        return _leef(text)
    found = dict(_COLON.findall(text)) if '":' not in text[:40] and ':"' in text[:40] else {}
    return _read("kv", found or {key: quoted or bare for key, quoted, bare in _PAIR.findall(text)})


def _read(prefix: str, found: dict[str, str], name: str = "") -> Pairs | None:
    if not name and len(found) < _PAIRS_MIN:
        return None
    level = found.get("level") or found.get("log_level") or found.get("severity") or found.get("pri") or found.get("sev") or ""
    return Pairs(
        name or next((found[key] for key in _NAMES if found.get(key)), ""),
        next((found[key] for key in _HOSTS if found.get(key)), ""),
        _severity(level),
        {f"{prefix}.{key}": value[:VALUE_CHARS_MAX] for key, value in list(found.items())[:PAIRS_MAX]},
    )


def _severity(said: str) -> str:
    """A level's word or CEF's number as syslog's word; "" where it is neither."""
    if said.isascii() and said.isdigit():
        return _BY_NUMBER[min(int(said[:3]), 10)]
    return _SEVERITIES.get(said.lower(), "")


def _cef(text: str) -> Pairs | None:
    """ArcSight's CEF: seven columns, then pairs whose values run up to the next key."""
    columns = _PIPE.split(text, 7)
    if len(columns) < 7:
        return None
    found = _runs(columns[7]) if len(columns) > 7 else {}
    found |= {"vendor": columns[1], "product": columns[2], "name": columns[5], "severity": columns[6]}
    return _read("cef", found, columns[4])


def _leef(text: str) -> Pairs | None:
    """QRadar's LEEF: five columns (2.0: and the delimiter), then pairs between tabs or that delimiter."""
    columns = _PIPE.split(text, 6 if text[5:].lstrip().startswith("2") else 5)
    if len(columns) < 6:
        return None
    delimiter = _delimiter(columns[5]) if len(columns) > 6 else "\t"
    found = dict(pair.split("=", 1) for pair in re.split(rf"[{re.escape(delimiter)}\t]", columns[-1]) if "=" in pair)
    found |= {"vendor": columns[1], "product": columns[2]}
    return _read("leef", found, columns[4])


def _delimiter(said: str) -> str:
    """One character, or its number (`x09`, `0x5E`); a tab where it is neither."""
    number = re.fullmatch(r"0?x([0-9A-Fa-f]{1,4})", said)
    return chr(int(number[1], 16)) if number else said[:1] or "\t"


def _runs(text: str) -> dict[str, str]:
    """Pairs whose values may hold spaces: each value ends where the next key begins."""
    keys = list(_EXTENSION.finditer(text))[:PAIRS_MAX]
    ends = [key.start() for key in keys[1:]] + [len(text)]
    return {key[1]: text[key.end() : end].strip() for key, end in zip(keys, ends, strict=True)}
