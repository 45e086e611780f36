"""Syslog: real lines of real senders, framings, storms, and any bytes."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.codecs.ber import DecodeError
from collectors.codecs.syslog import decode
from collectors.codecs.syslog_framing import FRAME_OCTETS_MAX, Frames
from collectors.inputs.syslog import Syslog, SyslogSettings
from collectors.senders import SENDERS_MAX, Senders
from inventory.topology import Topology
from station.batch import Notification
from station.channel import Channel
from station.clock import NS_PER_S, SystemClock
from tests.ports import TCP, UDP, free_port

LINES = [
    (
        "<29>1 2026-11-22T00:33:17.410056+00:00 r1 ospfd 46 - - [Y05P2-YJVXY] AdjChg: Nbr 198.18.255.2 on eth0: Full -> Deleted (KillNbr)",
        ("ospfd", "notice", "r1", "[Y05P2-YJVXY] AdjChg: Nbr 198.18.255.2 on eth0: Full -> Deleted (KillNbr)"),
    ),
    (
        "<187>45: *Mar  1 00:00:24.123: %LINK-3-UPDOWN: Interface GigabitEthernet0/1, changed state to down",
        ("LINK-3-UPDOWN", "error", "", "%LINK-3-UPDOWN: Interface GigabitEthernet0/1, changed state to down"),
    ),
    (
        "<28>Nov 22 00:33:17 ham-edge-1 mib2d[1421]: SNMP_TRAP_LINK_DOWN: ifIndex 501, ifOperStatus down(2), ifName xe-0/0/1",
        ("mib2d", "warning", "ham-edge-1", "SNMP_TRAP_LINK_DOWN: ifIndex 501, ifOperStatus down(2), ifName xe-0/0/1"),
    ),
    ("<165>1 - - - - - -", ("", "notice", "", "")),
    ('<13>1 2026-01-01T00:00:00Z h a 1 LINKDOWN [x@1 a="b\\"c"][y z="]" q="1"]', ("LINKDOWN", "notice", "h", '[y z="]" q="1"]')),
]


@pytest.mark.parametrize(("line", "expected"), LINES)
def test_lines_of_real_senders_are_read(line: str, expected: tuple[str, str, str, str]) -> None:
    message = decode(line.encode())
    assert (message.name, message.severity, message.hostname, message.text) == expected


def test_structured_data_becomes_fields_without_its_escapes() -> None:
    message = decode(b'<13>1 - - app - - [origin ip="192.0.2.1" x="a\\]b\\"c"] hello')
    assert message.fields == {"app_name": "app", "severity": "notice", "origin.ip": "192.0.2.1", "origin.x": 'a]b"c'}
    assert message.text == "hello"


def test_control_characters_cannot_forge_a_line() -> None:
    assert decode(b"<13>Nov 22 00:00:00 h app: a\n<0>b\x1b[2J").text == "a <0>b [2J"


@pytest.mark.parametrize("octets", [b"", b"hello", b"<>x", b"<999>x", b"<192>1 - - - - - -"])
def test_what_has_no_priority_is_refused(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(octets)


@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: f"<13>1 {text}".encode()))
def test_any_bytes_decode_or_raise_decode_error(octets: bytes) -> None:
    try:
        message = decode(octets)
    except DecodeError:
        return
    assert len(message.text) <= 8192


def test_both_framings_may_share_a_stream() -> None:
    frames = Frames()
    assert frames.feed(b"5 <13>a<13>b\n6 <13>cd<13>e") == [b"<13>a", b"<13>b", b"<13>cd"]
    assert frames.rest() == b"<13>e"


@given(st.lists(st.text("<>abc 12", min_size=1, max_size=20), max_size=8), st.integers(1, 9))
def test_a_stream_may_be_cut_anywhere(messages: list[str], step: int) -> None:
    octets = b"".join(f"{len(message)} {message}".encode() for message in messages)
    frames = Frames()
    found = [frame for at in range(0, len(octets), step) for frame in frames.feed(octets[at : at + step])]
    assert found == [message.encode() for message in messages]


@pytest.mark.parametrize("octets", [b"99999999 x", b"99999 x", b"1x3 <13>", b"<" * (FRAME_OCTETS_MAX + 10)])
def test_an_absurd_length_is_refused(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        Frames().feed(octets)


def test_one_loud_sender_is_cut_and_the_others_are_heard() -> None:
    senders = Senders(rate=10, burst=5)
    assert [senders.allow("loud", 0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert senders.allow("quiet", 0)
    assert senders.allow("loud", NS_PER_S // 5)


def test_the_table_of_senders_is_bounded() -> None:
    senders = Senders(rate=10, burst=5)
    for n in range(SENDERS_MAX + 10):
        senders.allow(str(n), 0)
    assert len(senders) == SENDERS_MAX


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[SyslogSettings, Channel[tuple[Notification, ...]]]]:
    settings = SyslogSettings(udp_port=free_port(UDP), tcp_port=free_port(TCP))
    out: Channel[tuple[Notification, ...]] = Channel("syslog_test", 100)
    task = asyncio.create_task(Syslog(settings, lambda: Topology(addresses={"127.0.0.1": 7}), SystemClock(), out).run())
    await asyncio.sleep(0)
    yield settings, out
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_datagrams_and_streams_reach_the_channel_with_their_device(
    receiver: tuple[SyslogSettings, Channel[tuple[Notification, ...]]],
) -> None:
    settings, out = receiver
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"not syslog", ("127.0.0.1", settings.udp_port))
        sender.sendto(b"<13>Nov 22 00:00:00 h app: over udp", ("127.0.0.1", settings.udp_port))
    (first,) = await asyncio.wait_for(out.get(), 60)
    _, writer = await asyncio.open_connection("127.0.0.1", settings.tcp_port)
    writer.write(b"35 <13>Nov 22 00:00:00 h app: over tcp")
    await writer.drain()
    (second,) = await asyncio.wait_for(out.get(), 60)
    writer.close()
    await writer.wait_closed()
    assert [(n.device, n.protocol, n.name, n.text, n.authenticated) for n in (first, second)] == [
        (7, "syslog", "app", "over udp", False),
        (7, "syslog", "app", "over tcp", False),
    ]
