"""Syslog messages, RFC 5424 and what is left of RFC 3164: bytes in, one message out, no I/O.

A device's line is hostile text: lengths are bounded, nothing in it is obeyed, and whatever has a printable character is
a message. Of RFC 3164 every part is missing or different somewhere: Cisco's sequence numbers and `*` before the time,
years and zones at three places, ISO times, IOS XR's node, NX-OS' leading colon, no name, no tag, firewalls' pairs of key
and value, and lines out of a file that have no priority, no time and no name.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from collectors.codecs.ber import DecodeError
from collectors.codecs.syslog_pairs import Pairs, pairs

MESSAGE_OCTETS_MAX: Final = 8192  # RFC 5424, 6.1: a receiver may cut what is longer than 2048
PARAMS_MAX: Final = 64
SEVERITIES: Final = ("emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug")
_NIL: Final = "-"
_NO_PARAMS: Final[Mapping[str, str]] = MappingProxyType({})
_PRIORITIES: Final = {str(value): (value >> 3, SEVERITIES[value & 7]) for value in range(192)}  # RFC 5424, 6.2.1: 23 * 8 + 7
_NO_PRIORITY: Final = (1, "notice")  # RFC 3164, 4.3.3: a relay takes 13 for it

# RFC 5424, 6: <PRI>VERSION SP TIMESTAMP SP HOSTNAME SP APP-NAME SP PROCID SP MSGID SP STRUCTURED-DATA [SP MSG]
_HEADER_5424 = re.compile(r"<(\d{1,3})> ?1 (?!\d+\.\d+ )(?:\S{1,64}) (\S{1,255}) (\S{1,48}) (\S{1,128}) (\S{1,32}) (- ?)?")
_VALUE = r"[^\"\\\]]*(?:\\.[^\"\\\]]*)*"
_ELEMENT = re.compile(rf"\[([^\s=\]\"]{{1,32}})((?: [^\s=\]\"]{{1,32}}=\"{_VALUE}\")*) ?\]")
_PARAM = re.compile(rf" ([^\s=\]\"]{{1,32}})=\"({_VALUE})\"")
_ESCAPED = re.compile(r"\\([\"\\\]])")
# RFC 3164, 4.1: <PRI>Mmm dd hh:mm:ss HOSTNAME TAG: text
_PRI = re.compile(r"<(\d{1,3})>(?:\d )? ?")
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,:]\d{1,9})?"
_ZONE = r"(?:Z|[+-]\d\d:?\d\d)?"
_TIME = (
    rf"[*.%]?(?:(?:\d{{4}} )?[A-Z][a-z]{{2}} [ \d]?\d (?:\d{{4}} )?{_CLOCK}{_ZONE}(?: (?:19|20)\d\d(?=:?[ %]))?"
    r"(?: (?:[AP]M|TZ[+-]\d{1,2}|UTC|GMT|CES?T|[ECMP][SD]T|JST|IST|BST|MSK|EES?T|[A-Z]{3,4}(?=:))(?: (?:19|20)\d\d(?=:?[ %]))?)?"
    rf"|\d{{4}}-\d{{1,2}}-\d{{1,2}}[T ]{_CLOCK}(?:\.\d{{1,3}})? ?{_ZONE}|\d{{1,4}}/\d{{1,2}}/\d{{1,4}} {_CLOCK}"
    r"|\d{10}(?:\.\d{1,9})?(?= )"
    r"|\d{1,3}[ywd]\d{1,2}[wdh]|\d\d:\d\d:\d\d)"  # since it started, where its clock was never set
)
_TIME_3164 = re.compile(rf"{_TIME}(?: ?: ?| {{1,3}}|(?=%))")
# What may stand before the time: sequence numbers, the name that Cisco calls origin-id, IOS XR's node.
_LEAD = re.compile(
    r"[ :]*(?:\d{1,10}: ?){0,2}[ :]*(?:(?!\d+ )([\w.-]{1,255}):? (?:\d{1,10}: ?)?)?"
    rf"(?:[A-Z]\w{{0,8}}(?:/\w{{1,8}}){{1,4}} ?:)?{_TIME}(?: ?: ?| )"
)
_SEQUENCE = re.compile(r"[ :]*(?:\d{1,10}: ?){1,2}")
_HOST_AND_TAG = re.compile(r"(?:\[?([\w.:/-]{1,255})\]? )??([\w./-]{1,48})(?:\[([\w./-]{1,32})\])?: ")
_HOST_AND_PROCESS = re.compile(r"([\w.:-]{1,255}) ([\w./-]{1,48})\[(\d{1,10})\] ")
_HOST_ADDRESS = re.compile(r"\[?(\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){2,7})\]? ")
# A name without a tag behind it, where the text is known to begin: mnemonics, RouterOS' topics, PAN-OS' columns, ProVision's
# numbers, SR Linux' and FortiOS' pairs.
_HOST_ALONE = re.compile(
    r"([\w.:-]{1,255}) ?:? (?=%|<[A-Z][a-z]{3}:|[a-z]+,[a-z0-9!,-]+[: ]|\d,\d{4}/\d|\d{5} \w+: "
    r"|date=|logver=|devname=|timestamp=|CEF: ?\d|LEEF: ?\d)"
)
_FORMATS: Final = frozenset({"CEF", "LEEF"})
# What UniFi puts before the tag: model, MAC address and firmware, in three spellings.
_UNIFI = re.compile(r"(?:([\w.-]{1,64}) )?\(?\"?(?:[\w.-]{1,32},)?[0-9a-f]{12},[\w.+-]{1,48}\"?\)?:? ")
# The usual line at one stroke, as the slow path below reads it: a name that is no year and no zone, a tag that is no format's.
_USUAL = re.compile(
    r"<(\d{1,3})>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (?!(?:19|20)\d\d[ :]|[A-Z]{3,4}[ :]|[AP]M |TZ[+-])([\w.:-]{0,254}[\w.-]) "
    r"(?!CEF:|LEEF:)([\w./-]{1,48})(?:\[([\w./-]{1,32})\])?: "
)
# %FACILITY-SEVERITY-MNEMONIC of Cisco and its kin, after whatever sequence number or time stands before it.
_MNEMONIC = re.compile(r"%([A-Z][A-Z0-9_]{0,40}(?:-[A-Z0-9_]{1,20})?-([0-7])-[A-Z0-9][A-Z0-9_]{0,60})\s{0,2}:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class SyslogMessage(NamedTuple):
    """One message. `name` is its mnemonic (`LINK-3-UPDOWN`), else its MSGID, else the application's name."""

    facility: int
    severity: str
    hostname: str
    app_name: str
    proc_id: str
    msg_id: str
    text: str
    params: Mapping[str, str] = _NO_PARAMS

    @property
    def name(self) -> str:
        found = _MNEMONIC.search(self.text[:200]) if "%" in self.text else None
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
    """The message of one datagram or frame; DecodeError when there is no text in it."""
    text = octets[:MESSAGE_OCTETS_MAX].decode("utf-8", "replace").strip("\r\n\0 \ufeff")
    usual = _USUAL.match(text)
    if usual is not None and (priority := _PRIORITIES.get(usual[1])) is not None:
        return SyslogMessage(priority[0], priority[1], usual[2], usual[3], usual[4] or "", "", _clean(text[usual.end() :]))
    header = _HEADER_5424.match(text)
    if header is not None and header[1] in _PRIORITIES:
        return _rfc5424(text, header)
    return _rfc3164(text)


def _rfc5424(text: str, header: re.Match[str]) -> SyslogMessage:
    pri, host, app, proc, msg_id, nil = header.groups()
    facility, severity = _PRIORITIES[pri]
    params, at = (_NO_PARAMS, header.end()) if nil else _structured_data(text, header.end())
    said = _clean(text[at:].lstrip(" \ufeff"))
    made = SyslogMessage(
        facility, severity, "" if host == _NIL else host, "" if app == _NIL else app,
        "" if proc == _NIL else proc, "" if msg_id == _NIL else msg_id, said, params,
    )  # fmt: skip
    found = pairs(said) if not params else None
    return made if found is None else _with_pairs(made, found, prioritised=True)


def _structured_data(text: str, at: int) -> tuple[Mapping[str, str], int]:
    """(parameters, where the message's text begins)."""
    params: dict[str, str] = {}
    clean = text.isprintable()
    while (element := _ELEMENT.match(text, at)) is not None:
        name, body = element.groups()
        for key, value in _PARAM.findall(body):
            if len(params) < PARAMS_MAX:
                value = _ESCAPED.sub(r"\1", value) if "\\" in value else value
                params[f"{name}.{key}"] = value if clean else _clean(value)
        at = element.end()
    return params, at


def _rfc3164(text: str) -> SyslogMessage:
    pri = _PRI.match(text)
    given = _PRIORITIES.get(pri[1].lstrip("0") or "0") if pri else None
    facility, severity = given or _NO_PRIORITY
    at = pri.end() if pri and given else 0  # what is no priority is text
    host, time = "", _TIME_3164.match(text, at)
    if time is None:
        lead = _LEAD.match(text, at)
        host, time = (lead[1] or "", lead) if lead else ("", _SEQUENCE.match(text, at))
    at = time.end() if time else at
    tag = _HOST_AND_TAG.match(text, at) or _HOST_AND_PROCESS.match(text, at)
    if tag is not None and tag[2] not in _FORMATS:
        named, app, proc = tag.groups()
        return SyslogMessage(facility, severity, named or host, app, proc or "", "", _clean(text[tag.end() :]))
    return _without_tag(text, at, SyslogMessage(facility, severity, host, "", "", "", ""), prioritised=given is not None)


def _without_tag(text: str, at: int, made: SyslogMessage, *, prioritised: bool) -> SyslogMessage:
    """The rest of a line that has no `TAG: `: a name where the text is known to begin, pairs, UniFi's own head, or only text."""
    unifi = _UNIFI.match(text, at)
    if unifi is not None:
        made, at = made._replace(hostname=unifi[1] or made.hostname), unifi.end()
        tag = _HOST_AND_TAG.match(text, at)
        if tag is not None:
            return made._replace(app_name=tag[2], proc_id=tag[3] or "", text=_clean(text[tag.end() :]))
    alone = _HOST_ALONE.match(text, at) or _HOST_ADDRESS.match(text, at)
    if alone is not None:
        made, at = made._replace(hostname=alone[1]), alone.end()
    made = made._replace(text=_clean(text[at:]))
    if not made.text:
        raise DecodeError("empty")
    if not prioritised and (mnemonic := _MNEMONIC.search(made.text, 0, 200)) is not None:
        made = made._replace(severity=SEVERITIES[int(mnemonic[2])])
    found = pairs(made.text)
    return made if found is None else _with_pairs(made, found, prioritised=prioritised)


def _with_pairs(made: SyslogMessage, found: Pairs, *, prioritised: bool) -> SyslogMessage:
    """The message with what its pairs say of its sender; a priority that the line has outranks the pairs' own."""
    return made._replace(
        hostname=made.hostname or found.hostname,
        severity=made.severity if prioritised else found.severity or made.severity,
        msg_id=made.msg_id or found.name,
        params={key: _clean(value) for key, value in found.params.items()},
    )


def _clean(text: str) -> str:
    """Without control characters, so that a line stays one line."""
    return text if text.isprintable() else _CONTROL.sub(" ", text)
