"""Cisco's telemetry: self-describing rows become gNMI notifications, pieces are put together, any octets are read or refused."""

import struct
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.codecs.ber import DecodeError
from collectors.codecs.cisco_mdt import DEPTH_MAX, notifications
from collectors.codecs.gnmi import leaves
from collectors.gnmi_dialout import responses

PATH = "Cisco-IOS-XR-infra-statsd-oper:infra-statistics/interfaces/interface/latest/generic-counters"


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def block(number: int, octets: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(octets)) + octets


def whole(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def leaf(name: str, value: bytes) -> bytes:
    return block(15, block(2, name.encode()) + value)


def row(port: str, *content: bytes, time_ms: int = 5) -> bytes:
    keys = block(15, block(2, b"keys") + leaf("interface-name", block(5, port.encode())))
    return block(11, whole(1, time_ms) + keys + block(15, block(2, b"content") + b"".join(content)))


def telemetry(*rows: bytes, path: str = PATH) -> bytes:
    return block(1, b"r1") + block(6, path.encode()) + whole(10, 9) + b"".join(rows)


def arguments(data: bytes, size: int = 0) -> bytes:
    return whole(1, 1) + block(2, data) + (whole(4, size) if size else b"")


def test_a_row_is_a_notification_whose_keys_stand_at_its_list() -> None:
    content = (
        leaf("bytes-received", whole(8, 1 << 40)),
        leaf("temperature", whole(10, 13)),
        leaf("load", varint(11 << 3 | 1) + struct.pack("<d", 0.5)),
        leaf("is-up", whole(6, 1)),
        leaf("inner", leaf("text", block(5, b"x"))),
    )
    (one,) = notifications(telemetry(row("TenGigE0/0/0/1", *content)))
    found = {told.path.rpartition("/")[2]: told.value for told in leaves(one)}
    assert found == {"bytes-received": 1 << 40, "temperature": -7, "load": 0.5, "is-up": True, "text": "x"}
    first = next(leaves(one))
    assert (first.path, dict(first.keys), first.time_ns) == (
        "/infra-statistics/interfaces/interface/latest/generic-counters/bytes-received",
        {"interface-name": "TenGigE0/0/0/1"},
        5_000_000,
    )


def test_a_time_beyond_all_clocks_is_cut() -> None:
    (one,) = notifications(telemetry(row("a", time_ms=1 << 63)))
    assert one.timestamp == (1 << 63) - 1


def test_compact_rows_and_endless_depth_are_refused() -> None:
    deep = b""
    for _ in range(DEPTH_MAX + 2):
        deep = block(15, deep)
    for octets in (telemetry(block(12, b"")), telemetry(block(11, deep))):
        with pytest.raises(DecodeError):
            notifications(octets)


async def said(*messages: bytes) -> list[bytes]:
    async def each() -> AsyncIterator[bytes]:
        for one in messages:
            yield one

    return [response async for response in responses(each())]


async def test_a_message_in_pieces_is_one_and_a_broken_one_costs_itself() -> None:
    message = telemetry(row("Te0/1", leaf("bytes-sent", whole(8, 7))))
    half = len(message) // 2
    pieces = [arguments(message[:half], len(message)), arguments(message[half:], len(message))]
    assert await said(*pieces) == await said(arguments(message))
    assert await said(b"\xff", arguments(b"\xff\xff"), arguments(message)) == await said(arguments(message))
    assert await said(arguments(b"x", 1 << 40), arguments(message)) == await said(arguments(message))


@given(st.binary(max_size=200) | st.integers(0, 80).map(lambda at: telemetry(row("a", leaf("b", whole(8, 1))))[:at]))
def test_any_octets_are_rows_or_refused(octets: bytes) -> None:
    try:
        notifications(octets)
    except DecodeError:
        return
