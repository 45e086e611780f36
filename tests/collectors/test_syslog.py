"""Syslog: real lines of real senders, framings, storms, and any bytes."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.codecs.ber import DecodeError
from collectors.codecs.syslog import MESSAGE_OCTETS_MAX, _rfc3164, decode
from collectors.codecs.syslog_framing import FRAME_OCTETS_MAX, Frames
from collectors.inputs.syslog import Syslog, SyslogSettings, names_of
from collectors.senders import SENDERS_MAX, Senders
from inventory.topology import Device, Topology
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


@pytest.mark.parametrize("octets", [b"", b" \r\n", b"\0\0", b"<13>"])
def test_only_what_has_no_text_is_refused(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(octets)


FORTINET = 'date=2026-11-22 time=00:33:17 devname="fg1" logid="0100020090" type="event" level="warning" logdesc="Interface down"'
CHECK_POINT = '[action:"Failed Log In"; flags:"1"; origin:"192.0.2.1"; product:"SmartConsole"; user:"a; b"]'
DIRT = [  # line, (name, severity, hostname, text)
    ("hello", ("", "notice", "", "hello")),
    ("<999>x", ("", "notice", "", "<999>x")),
    ("<192>1 - - - - - -", ("", "notice", "", "<192>1 - - - - - -")),
    (FORTINET, ("0100020090", "warning", "fg1", FORTINET)),
    (f"<189>{FORTINET}", ("0100020090", "notice", "fg1", FORTINET)),
    (f"<189>Nov 22 00:33:17 relay9 {FORTINET}", ("0100020090", "notice", "relay9", FORTINET)),
    (f"<134>1 2026-11-22T00:33:17Z fg9 - - - - {FORTINET}", ("0100020090", "informational", "fg9", FORTINET)),
    (f"<134>1 2026-11-22T00:33:17Z cp1 CheckPoint 99 - {CHECK_POINT}", ("CheckPoint", "informational", "cp1", CHECK_POINT)),
    ("Nov 22 00:33:17 h1 CEF:0|V|P|1|link|Link down|8|dvc=192.0.2.9 msg=port 1 is down", ("link", "error", "h1", None)),
    ("CEF: 0|V|P|1|100|Login|3|dvc=192.0.2.9", ("100", "informational", "192.0.2.9", None)),
    ("LEEF:2.0|V|P|1|LOGIN_FAILED|^|devName=pa9^usrName=root", ("LOGIN_FAILED", "notice", "pa9", None)),
    ("<134>1 1700000000.123456789 MX84 events type=vpn", ("", "informational", "", "MX84 events type=vpn")),
    ("<189> Nov 22 00:33:17 192.0.2.1 00077 ports: port 1 is off-line", ("", "notice", "192.0.2.1", "00077 ports: port 1 is off-line")),
    ("<30>Nov 22 00:33:17 gw1 interface,info ether1 link down", ("", "informational", "gw1", "interface,info ether1 link down")),
    ("<28>Nov 22 00:33:17  mx1 rpd[2902]: up", ("rpd", "warning", "mx1", "up")),
    ("<29>2026-7-3 01:00:34.270.1 hw1 %%01IFNET/4/IF_STATE(l)[49]:up", ("", "notice", "hw1", "%%01IFNET/4/IF_STATE(l)[49]:up")),
    ("<165>Aug 24 05:34:00 CST 1987 m1 myproc[10]: %% do-nuts", ("myproc", "notice", "m1", "%% do-nuts")),
    ("<0>1990 Oct 22 10:52:01 TZ-6 m1 sched[0]: That's All Folks!", ("sched", "emergency", "m1", "That's All Folks!")),
    ("<13>Feb  5 17:32:18 192.0.2.99 Use the BFG!", ("", "notice", "192.0.2.99", "Use the BFG!")),
    ("<30>Nov 22 00:33:17 [192.0.2.9] app: x", ("app", "informational", "192.0.2.9", "x")),
    ("<30>Nov 22 00:33:17 h1 app[7] without a colon", ("app", "informational", "h1", "without a colon")),
    ("<30>Nov 22 12:33:17 AM h1 app: x", ("app", "informational", "h1", "x")),
    ("<30>1700000000 h1 app: x", ("app", "informational", "h1", "x")),
    ("<30> 1 2026-11-22T00:33:17Z h1 app - - - x", ("app", "informational", "h1", "x")),
    ("<189>Nov 22 00:33:17 2001:db8::1 7: *Nov 22 00:33:17: %A-5-B: x", ("A-5-B", "notice", "2001:db8::1", "*Nov 22 00:33:17: %A-5-B: x")),
    ("<189>sw1: 123: Nov 22 00:33:17.123: %SYS-5-CONFIG_I: x", ("SYS-5-CONFIG_I", "notice", "sw1", "%SYS-5-CONFIG_I: x")),
    ("<14>Nov 22 00:33:17 pa1 1,2026/11/22 00:33:17,0,SYSTEM", ("", "informational", "pa1", "1,2026/11/22 00:33:17,0,SYSTEM")),
    ("<30>Nov 22 00:33:17 ap1 18e829aabbcc,U7PG2-4.3.20+11298: kernel: ath0: up", ("kernel", "informational", "ap1", "ath0: up")),
    ('<30>Nov 22 00:33:17 ("U7PG2,18e829aabbcc,v4.3.20.11298") kernel: ath0: up', ("kernel", "informational", "", "ath0: up")),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), DIRT)
def test_lines_without_priority_time_name_or_tag_are_read(line: str, expected: tuple[str, str, str, str | None]) -> None:
    message = decode(line.encode())
    assert (message.name, message.severity, message.hostname) == expected[:3]
    assert expected[3] in (None, message.text)


def test_pairs_become_fields_that_cannot_pass_for_a_rules_own() -> None:
    assert decode(FORTINET.encode()).fields["kv.logdesc"] == "Interface down"
    fields = decode(b"CEF:0|V|P|1|100|a \\| b|9|src=192.0.2.66 msg=port 1 is down cs1=").fields
    assert (fields["severity"], fields["cef.src"], fields["cef.msg"], fields["cef.cs1"]) == ("critical", "192.0.2.66", "port 1 is down", "")
    assert decode(CHECK_POINT.encode()).fields["kv.user"] == "a; b"


@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: f"<13>1 {text}".encode()))
def test_any_bytes_decode_or_raise_decode_error(octets: bytes) -> None:
    try:
        message = decode(octets)
    except DecodeError:
        return
    assert len(message.text) <= 8192


_HEADS = st.sampled_from(
    ["", "Nov 22 00:33:17 ", "Nov  2 00:33:17 ", "Nov 22 00:33:17.123 ", "2026 ", "UTC: ", "CET ", "*", "AM ", "TZ-6 ", "[x] "]
)
_WORDS = st.sampled_from(["h1 ", "CORE ", "2001:db8::1 ", "a: ", "CEF: ", "CEF:0|", "app: ", "app[7]: ", "x y ", "%A-3-B: ", "é: ", ""])


@given(st.lists(_HEADS, max_size=3), st.lists(_WORDS, max_size=5), st.sampled_from(["<13>", "<013>", "<200>", ""]))
def test_the_usual_line_read_at_one_stroke_is_what_the_slow_path_reads(heads: list[str], words: list[str], pri: str) -> None:
    line = f"{pri}{''.join(heads)}{''.join(words)}end"
    assert decode(line.encode()) == _rfc3164(line)


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


def test_lines_of_a_stream_may_begin_with_anything() -> None:
    frames = Frames()
    lines = [b"2026-11-22 00:33:17 sw1 port 1 down", b"99999 x", b"0 y", b"12 monkeys", b"date=2026-11-22 x", b"99999999 z"]
    assert frames.feed(b"\n".join(lines) + b"\n<13>a\0") == [*lines, b"<13>a"]


def test_a_line_without_end_is_cut_and_the_next_is_read() -> None:
    frames = Frames()
    assert frames.feed(b"<13>" + b"x" * (FRAME_OCTETS_MAX + 10)) == [b"<13>" + b"x" * (MESSAGE_OCTETS_MAX - 4)]
    assert frames.feed(b"xxx") == []
    assert frames.feed(b"yyy\n<13>next\n") == [b"<13>next"]
    assert (frames.cut, frames.rest()) == (1, b"")


def test_a_line_of_digits_is_a_line_once_it_ends() -> None:
    frames = Frames()
    assert [frames.feed(octets) for octets in (b"123\n", b"45", b"6\n")] == [[b"123"], [], [b"456"]]


def test_half_a_counted_frame_is_lost_and_counted() -> None:
    frames = Frames()
    assert (frames.feed(b"30 <13>half"), frames.rest(), frames.cut) == ([], b"", 1)


def test_one_loud_sender_is_cut_and_the_others_are_heard() -> None:
    senders = Senders(rate=10, burst=5)
    assert [senders.allow("loud", 0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert senders.allow("quiet", 0)
    assert senders.allow("loud", NS_PER_S // 5)


def test_the_table_of_senders_is_bounded() -> None:
    senders = Senders(rate=10, burst=5)
    for n in range(SENDERS_MAX + 10):
        senders.allow(str(n), 0)
    assert SENDERS_MAX * 0.9 < len(senders) <= SENDERS_MAX


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[SyslogSettings, Channel[tuple[Notification, ...]]]]:
    settings = SyslogSettings(udp_port=free_port(UDP), tcp_port=free_port(TCP))
    out: Channel[tuple[Notification, ...]] = Channel("syslog_test", 100)
    task = asyncio.create_task(Syslog(settings, lambda: Topology(addresses={"127.0.0.1": 7}), SystemClock(), out).run())
    await asyncio.sleep(0)
    yield settings, out
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_relay_s_messages_are_of_the_devices_that_they_name() -> None:
    settings = SyslogSettings(udp_port=free_port(UDP), relays=("127.0.0.1",), sender_rate=0.001, sender_burst=1)
    devices = {n: Device(no=n, id=f"d{n}", name=f"r{n}", site_id="", management_address=f"192.0.2.{n}") for n in (8, 9)}
    network = Topology(devices=devices, addresses={"127.0.0.1": 7, "192.0.2.9": 9})
    out: Channel[tuple[Notification, ...]] = Channel("syslog_relay_test", 100)
    task = asyncio.create_task(Syslog(settings, lambda: network, SystemClock(), out).run())
    for _ in range(3):  # run, its task group, its receiver: then the socket is open
        await asyncio.sleep(0)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for name in ("r8", "r8.example.net", "192.0.2.9", "r9", "stranger", "r8"):
                sender.sendto(f"<13>Nov 22 00:00:00 {name} app: x".encode(), ("127.0.0.1", settings.udp_port))
        heard: list[Notification] = []
        while len(heard) < 5:  # the second of r8 is beyond its share
            heard += await asyncio.wait_for(out.get(), 60)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [(one.device, one.fields["hostname"]) for one in heard] == [
        (8, "r8"),
        (8, "r8.example.net"),
        (9, "192.0.2.9"),
        (9, "r9"),
        (0, "stranger"),
    ]


def test_a_device_is_known_by_its_short_name_unless_two_have_it() -> None:
    names = ("R1.ham.example.net", "r2.ham.example.net", "r2.ber.example.net", "r3")
    devices = {n: Device(no=n, id=f"d{n}", name=name, site_id="", management_address="") for n, name in enumerate(names, 1)}
    known = names_of(Topology(devices=devices))
    assert (known["r1"], known["r2"], known["r2.ber.example.net"], known["r3"]) == (1, 0, 3, 4)


async def test_datagrams_and_streams_reach_the_channel_with_their_device(
    receiver: tuple[SyslogSettings, Channel[tuple[Notification, ...]]],
) -> None:
    settings, out = receiver
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b" \0", ("127.0.0.1", settings.udp_port))
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
