"""`trunkline try`: what the station would make of a file, without a station; and `trunkline correlate`."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

from station.commands.context import FAILED, OK, PARTLY, USAGE, complain, say
from station.security.text import printable

FILE_MAX = 256 << 20
EFFECTIVE = date(2000, 1, 1)  # of a tariff that is only tried


def correlate() -> int:
    """Answer the correlation protocol line by line until the input ends."""
    from fault.correlation.stdio import serve

    serve(sys.stdin, sys.stdout)
    return OK


def recordings(files: list[Path], as_json: bool) -> int:
    """3 when some of the recordings answered nothing."""
    from collectors.recording import look_and_poll, read_recording
    from collectors.snmp.profiles import shipped_profiles
    from inventory.facts import NoAnswer

    silent, profiles = 0, shipped_profiles()
    for file in files:
        try:
            cells = read_recording(file.read_text(errors="replace"))
        except OSError as error:
            complain(f"{file}: {error.strerror}")
            return USAGE
        facts, values = asyncio.run(look_and_poll(cells, profiles))
        if isinstance(facts, NoAnswer):
            silent += 1
            complain(f"{file}: {facts.reason}")
            continue
        names = ("sys_name", "sys_object_id", "vendor", "model", "serial", "os_version")
        said: dict[str, Any] = {"file": str(file), "variables": len(cells), "profile": facts.profile}
        said |= {name: getattr(facts, name) for name in names if hasattr(facts, name)}
        said |= {"interfaces": [{"if_index": one.if_index, "name": one.name, "oper_status": one.oper_status} for one in facts.interfaces]}
        said |= {"values": values}
        say(json.dumps(said) if as_json else "\n".join(_device_text(said)))
    return PARTLY if silent else OK


def _device_text(said: dict[str, Any]) -> Iterator[str]:
    facts = {name: value for name, value in said.items() if name not in ("file", "interfaces", "values") and value}
    yield f"{said['file']}: " + ", ".join(f"{name} {printable(str(value))}" for name, value in facts.items())
    for one in said["interfaces"]:
        yield f"  interface {one['if_index']:>10}  {printable(one['name'])}"
    for name, value in said["values"].items():
        yield f"  {printable(name)}  {value:g}"


def syslog(file: Path, as_json: bool) -> int:
    """3 when no rule knows some of the lines."""
    from collectors.codecs.ber import DecodeError
    from collectors.codecs.syslog import decode
    from collectors.syslog_rules import syslog_rules

    rules, counts = syslog_rules(), Counter[str]()
    try:
        with _opened(file) as lines:
            for line in lines:
                if not line.strip():
                    continue
                try:
                    message = decode(line)
                except DecodeError as error:
                    counts["malformed"] += 1
                    say(json.dumps({"malformed": str(error)}) if as_json else f"malformed: {error}")
                    continue
                meant = rules.meaning(message)
                counts["known" if meant else "unknown"] += 1
                event, fields = meant or ("", {})
                said = {"event": event, "severity": message.severity, "name": message.name, **message.fields, **fields}
                said |= {"text": message.text}
                say(json.dumps(said) if as_json else f"{event or '-':<28} {printable(message.text)}")
    except OSError as error:
        complain(f"{file}: {error.strerror}")
        return USAGE
    complain(", ".join(f"{n} {kind}" for kind, n in sorted(counts.items())) or "no line")
    return PARTLY if counts["unknown"] or counts["malformed"] else OK


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """The file, or what comes in for "-"."""
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    with file.open("rb") as lines:
        yield lines


def flow(file: Path, as_json: bool) -> int:
    """Every UDP datagram of a capture is read as flow export; 3 when some were refused."""
    from scapy.error import Scapy_Exception
    from scapy.layers.inet import IP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.utils import PcapReader

    from collectors.codecs.flow_decoder import FlowDecoder

    decoder, datagrams = FlowDecoder(), 0
    try:
        with file.open("rb") as capture:
            for packet in PcapReader(capture):  # type: ignore[arg-type]  # it takes an open file as well
                if UDP in packet and (IP in packet or IPv6 in packet):
                    datagrams += 1
                    source = packet[IP].src if IP in packet else packet[IPv6].src
                    decoder.feed(bytes(packet[UDP].payload), source, int(packet.time * 1_000_000_000))
    except (OSError, Scapy_Exception) as error:
        complain(f"{file}: {error}")
        return USAGE
    flows = decoder.take()
    scale = flows["sampling"].astype("u8")
    said: dict[str, Any] = {"datagrams": datagrams, "flows": decoder.counts["flows"]}
    said |= {name: int((flows[name].astype("u8") * scale).sum()) for name in ("octets", "packets")}
    said |= {f"{name}_exported": int(flows[name].sum()) for name in ("octets", "packets")}
    said |= {"exporters": sorted({decoder.addresses[no] for no in set(flows["exporter"].tolist())}), "lost": sum(decoder.lost.values())}
    said |= {"refused": {reason: n for reason, n in sorted(decoder.counts.items()) if reason != "flows"}}
    say(json.dumps(said) if as_json else "\n".join(f"{name:<10} {value}" for name, value in said.items()))
    return PARTLY if said["refused"] else OK


def tariff(file: Path, usage: Path | None, as_json: bool) -> int:
    """The lines of one month's usage; without usage the file's own examples, and 1 when one gives something else."""
    from pydantic import ValidationError

    from bss.money import text
    from bss.rating.engine import batch_of, rate_batch
    from bss.tariffs import MonthUsage, TariffError, parse, rate

    try:
        version = parse(file.stem, EFFECTIVE, file.read_text(), str(file))
        month = MonthUsage.model_validate_json(usage.read_bytes()) if usage else None
    except TariffError as error:
        complain(str(error))
        return USAGE
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        complain(f"{usage or file}: {error}")
        return USAGE
    if month is None:
        return _examples(version)
    items, currency = rate(version, month.usage()), version.tariff.currency
    engine = rate_batch([version], batch_of([(0, month.usage())]))["amount_minor"].to_list()
    if engine != [item.amount_minor for item in items]:
        complain("the two ways of rating disagree; nothing would be billed")
        return FAILED
    lines = [
        {
            "charge": item.charge,
            "description": item.description,
            "quantity": str(item.quantity),
            "unit": item.unit,
            "unit_price": str(item.unit_price),
            "amount": text(item.amount_minor, currency),
        }
        for item in items
    ]
    total = text(sum(item.amount_minor for item in items), currency)
    if as_json:
        say(json.dumps({"currency": currency, "total": total, "lines": lines}))
        return OK
    for line in lines:
        say(f"{line['charge']:<16} {line['quantity']:>14} {line['unit']:<8} x {line['unit_price']:>10} = {line['amount']:>12}")
    say(f"{'total':<16} {total:>54} {currency}")
    return OK


def _examples(version: Any) -> int:
    """Whether each example of a tariff gives what it says it must."""
    from bss.money import text
    from bss.tariffs import rate

    wrong = 0
    for example in version.tariff.examples:
        items = rate(version, example.usage())
        found = [(item.charge, str(item.quantity), text(item.amount_minor, version.tariff.currency)) for item in items]
        right = list(example.expect) == found
        wrong += not right
        say(f"{'right' if right else 'WRONG'}  {example.says}" + ("" if right else f": {found}"))
    return FAILED if wrong else OK
