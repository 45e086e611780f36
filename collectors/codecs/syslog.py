"""Syslog messages, RFC 5424 and what is left of RFC 3164: bytes in, one message out, no I/O.

A device's line is hostile text: lengths are bounded, nothing in it is obeyed, and any bytes decode or raise DecodeError.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from collectors.codecs.ber import DecodeError

MESSAGE_OCTETS_MAX: Final = 8192  # RFC 5424, 6.1: a receiver may cut what is longer than 2048
PARAMS_MAX: Final = 64
SEVERITIES: Final = ("emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug")
_NIL: Final = "-"

# RFC 5424, 6: <PRI>VERSION SP TIMESTAMP SP HOSTNAME SP APP-NAME SP PROCID SP MSGID SP STRUCTURED-DATA [SP MSG]
_HEADER_5424 = re.compile(r"<(\d{1,3})>1 (\S{1,64}) (\S{1,255}) (\S{1,48}) (\S{1,128}) (\S{1,32}) ")
_ELEMENT = re.compile(r"\[([^\s=\]\"]{1,32})((?: [^\s=\]\"]{1,32}=\"(?:[^\"\\\]]|\\.)*\")*)\]")
_PARAM = re.compile(r" ([^\s=\]\"]{1,32})=\"((?:[^\"\\\]]|\\.)*)\"")
# RFC 3164, 4.1: <PRI>Mmm dd hh:mm:ss HOSTNAME TAG: text; every part after PRI is missing somewhere in the wild.
_PRI = re.compile(r"<(\d{1,3})>")
_SEQUENCE = re.compile(r"\d{1,10}: ")
_TIME_3164 = re.compile(r"[*.]?[A-Z][a-z]{2} [ \d]\d (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d{1,6})?(?: [A-Z]{3,4})?:? ")
_HOST_AND_TAG = re.compile(r"(?:([\w.:-]{1,255}) )??([\w./-]{1,48})(?:\[([\w./-]{1,32})\])?: ")
# %FACILITY-SEVERITY-MNEMONIC of Cisco and its kin, after whatever sequence number or time stands before it.
_MNEMONIC = re.compile(r"%([A-Z][A-Z0-9_]{0,40}(?:-[A-Z0-9_]{1,20})?-[0-7]-[A-Z][A-Z0-9_]{0,60})\s{0,2}:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class SyslogMessage:
    """One message. `name` is its mnemonic (`LINK-3-UPDOWN`), else its MSGID, else the application's name."""

    facility: int
    severity: str
    hostname: str
    app_name: str
    proc_id: str
    msg_id: str
    text: str
    params: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def name(self) -> str:
        found = _MNEMONIC.search(self.text[:200])
        return found[1] if found else self.msg_id or self.app_name

    @property
    def fields(self) -> dict[str, str]:
        """Everything but the text, by name; structured data as `<SD-ID>.<param>`."""
        known = {
            "hostname": self.hostname,
            "app_name": self.app_name,
            "proc_id": self.proc_id,
            "msg_id": self.msg_id,
            "severity": self.severity,
        }
        return {key: value for key, value in known.items() if value} | dict(self.params)


def decode(octets: bytes) -> SyslogMessage:
    """The message of one datagram or frame; DecodeError when it does not begin with a priority."""
    text = octets[:MESSAGE_OCTETS_MAX].decode("utf-8", "replace").rstrip("\r\n\0")
    header = _HEADER_5424.match(text)
    return _rfc5424(text, header) if header else _rfc3164(text)


def _priority(digits: str) -> tuple[int, str]:
    value = int(digits)
    if value > 191:  # RFC 5424, 6.2.1: 23 * 8 + 7
        raise DecodeError("priority")
    return value >> 3, SEVERITIES[value & 7]


def _rfc5424(text: str, header: re.Match[str]) -> SyslogMessage:
    facility, severity = _priority(header[1])
    params, at = _structured_data(text, header.end())
    host, app, proc, msg_id = ("" if value == _NIL else value for value in header.group(3, 4, 5, 6))
    said = _clean(text[at:].removeprefix(" ").removeprefix("\ufeff"))
    return SyslogMessage(facility, severity, host, app, proc, msg_id, said, params)


def _structured_data(text: str, at: int) -> tuple[dict[str, str], int]:
    """(parameters, where the message's text begins)."""
    if text.startswith(_NIL, at):
        return {}, at + 1
    params: dict[str, str] = {}
    while (element := _ELEMENT.match(text, at)) is not None:
        for key, value in _PARAM.findall(element[2]):
            if len(params) < PARAMS_MAX:
                params[f"{element[1]}.{key}"] = _clean(re.sub(r"\\([\"\\\]])", r"\1", value))
        at = element.end()
    return params, at


def _rfc3164(text: str) -> SyslogMessage:
    pri = _PRI.match(text)
    if pri is None:
        raise DecodeError("no priority")
    facility, severity = _priority(pri[1])
    at = pri.end()
    for part in (_SEQUENCE, _TIME_3164):
        found = part.match(text, at)
        at = found.end() if found else at
    tag = _HOST_AND_TAG.match(text, at)
    if tag is None:
        return SyslogMessage(facility, severity, "", "", "", "", _clean(text[at:]))
    host, app, proc = (part or "" for part in tag.groups())
    return SyslogMessage(facility, severity, host, app, proc, "", _clean(text[tag.end() :]))


def _clean(text: str) -> str:
    """Without control characters, so that a line stays one line."""
    return _CONTROL.sub(" ", text)
