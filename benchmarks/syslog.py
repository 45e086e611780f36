"""Syslog lines per CPU-second: from the kernel's buffer to a parsed message, RFC 3164 and RFC 5424 with structured data.

The peer reads the same datagrams one at a time with `socket.recv` and takes them apart with one plain regular expression
each, as a short script would; it cleans nothing and knows no dirt. `syslog-rfc5424-parser`, where it is installed, reads
the same lines of RFC 5424. `.events` goes on to the event of config/syslog_rules, as the receiver does.
"""

import argparse
import importlib
import importlib.util
import json
import re
import socket
import sys
import time
from collections.abc import Callable

from collectors.batched_udp import BatchedUdp, open_socket
from collectors.codecs.syslog import decode
from collectors.syslog_rules import syslog_rules

LINES = 100_000
LINES_OF_PARSER = 10_000
BURST = 2_000  # what the socket's buffer holds for certain
BUFFER_OCTETS = 64 << 20
RFC3164 = (
    b"<28>Nov 22 00:33:17 ham-edge-1 mib2d[1421]: SNMP_TRAP_LINK_DOWN: ifIndex 501, ifAdminStatus up(1), ifName xe-0/0/1",
    b"<187>45: *Mar  1 00:00:24.123: %LINK-3-UPDOWN: Interface GigabitEthernet0/1, changed state to down",
    b"<38>Nov 22 00:33:17 srv1 sshd[1234]: Failed password for invalid user admin from 192.0.2.66 port 51234 ssh2",
    b"<30>Nov 22 00:33:17 srv1 dnsmasq[77]: query[A] example.net from 192.0.2.9",
)
RFC5424 = (
    b'<29>1 2026-11-22T00:33:17.410056+00:00 r1 ospfd 46 ADJCHG [origin@32473 ip="192.0.2.1" software="frr" v="8.4"] AdjChg: Nbr '
    b"198.18.255.2 on eth0: Full -> Deleted (KillNbr)",
    b'<28>1 2026-11-22T00:33:17.123Z r2 mib2d 1421 SNMP_TRAP_LINK_DOWN [junos@2636.1.1.1.2.29 snmp-interface-index="501" '
    b'interface-name="xe-0/0/1"] ifIndex 501, ifAdminStatus up(1), ifOperStatus down(2), ifName xe-0/0/1',
)
PLAIN_3164 = re.compile(r"<(\d+)>(?:(\w{3} [ \d]\d \d\d:\d\d:\d\d) )?(?:(\S+) )?(?:(\w+)(?:\[(\d+)\])?: )?(.*)")
PLAIN_5424 = re.compile(r"<(\d+)>1 (\S+) (\S+) (\S+) (\S+) (\S+) (-|(?:\[.*?\])+) ?(.*)")

Reader = Callable[[], int]


def cpu_s(lines: tuple[bytes, ...], read: Reader, port: int, count: int = LINES) -> float:
    """CPU-seconds of this process for so many lines, without the sending of them."""
    spent = 0.0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(count // BURST):
            for n in range(BURST):
                sender.sendto(lines[n % len(lines)], ("127.0.0.1", port))
            began, left = time.process_time(), BURST
            while left > 0:
                left -= read()
            spent += time.process_time() - began
    return spent


def ours(udp: BatchedUdp, *, events: bool) -> Reader:
    rules = syslog_rules()

    def read() -> int:
        datagrams = udp.receive()
        for payload, _ in datagrams:
            message = decode(payload)
            if events:
                rules.meaning(message)
        return len(datagrams)

    return read


def plain(sock: socket.socket, pattern: re.Pattern[str]) -> Reader:
    def read() -> int:
        found = pattern.match(sock.recv(8192).decode("utf-8", "replace"))
        assert found is not None
        found.groups()
        return 1

    return read


def parser_lines_per_cpu_s(sock: socket.socket, port: int) -> float | None:
    """What syslog-rfc5424-parser makes of the same datagrams; None where it is not installed."""
    if importlib.util.find_spec("syslog_rfc5424_parser") is None:
        return None
    parse = importlib.import_module("syslog_rfc5424_parser").SyslogMessage.parse

    def read() -> int:
        parse(sock.recv(8192).decode("utf-8", "replace"))
        return 1

    return LINES_OF_PARSER / cpu_s(RFC5424, read, port, LINES_OF_PARSER)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.parse_args()
    sock = open_socket("127.0.0.1", 0, BUFFER_OCTETS)
    port, udp = sock.getsockname()[1], BatchedUdp(sock)
    for name, lines, pattern, target in (("rfc3164", RFC3164, PLAIN_3164, 150_000), ("rfc5424", RFC5424, PLAIN_5424, 90_000)):
        peer = LINES / cpu_s(lines, plain(sock, pattern), port)
        for suffix, events in (("", False), (".events", True)):
            value = LINES / cpu_s(lines, ours(udp, events=events), port)
            about = {"peer": "socket.recv and one regular expression", "peer_value": round(peer), "ratio": round(value / peer, 2)}
            if name == "rfc5424" and not events and (parser_value := parser_lines_per_cpu_s(sock, port)) is not None:
                beside = {"peer": "syslog-rfc5424-parser", "peer_value": round(parser_value), "ratio": round(value / parser_value, 1)}
                print(json.dumps({"name": "syslog.parser", "value": round(value), "unit": "lines/CPU-s", **beside, "target": 10}))
            print(json.dumps({"name": f"syslog.{name}{suffix}", "value": round(value), "unit": "lines/CPU-s", **about, "target": target}))
    udp.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
