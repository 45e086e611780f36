"""softflowd and pmacct meter a capture that scapy made; nfcapd and our decoder hear the same datagrams and must agree on the totals."""

import random
import re
import signal
import socket
import struct
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from scapy.utils import PcapReader, PcapWriter

from collectors.codecs.flow_decoder import FlowDecoder
from tests.collectors.test_flow import field_set, ipfix, template, v9
from tests.peers.collectors.conftest import need
from tests.ports import free_port

PACKETS = 600
HOSTS = 40
FCS_OCTETS = 4  # sFlow counts the frame check sequence that a capture does not have


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packets of many small conversations, IPv4 and IPv6, TCP and UDP."""
    path, chance = tmp_path_factory.mktemp("flow") / "traffic.pcap", random.Random(7)
    with PcapWriter(str(path), linktype=1) as writer:
        for n in range(PACKETS):
            a, b = chance.randrange(1, HOSTS), chance.randrange(1, HOSTS)
            six = n % 5 == 0
            ip = IPv6(src=f"2001:db8::{a:x}", dst=f"2001:db8:1::{b:x}") if six else IP(src=f"192.0.2.{a}", dst=f"198.51.100.{b}")
            transport = TCP(sport=40000 + a, dport=443, flags="PA") if n % 2 else UDP(sport=40000 + b, dport=53)
            packet = Ether(src="00:50:56:aa:00:01", dst="00:50:56:aa:00:02") / ip / transport / Raw(bytes(chance.randrange(10, 900)))
            packet.time = 1_700_000_000 + n / 100
            writer.write(packet)
    return path


def exported(capture: Path, version: str) -> list[bytes]:
    """The datagrams that softflowd sends for the capture."""
    softflowd = need("softflowd", "softflowd")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{sock.getsockname()[1]}"
        arguments = ["-d", "-r", str(capture), "-n", target, "-v", version, "-c", "none", "-p", str(capture.parent / "softflowd.pid")]
        subprocess.run([softflowd, *arguments], check=True, capture_output=True, timeout=60)
        sock.settimeout(0.3)
        found = []
        while True:
            try:
                found.append(sock.recv(65_535))
            except TimeoutError:
                return found


def nfdump_totals(datagrams: list[bytes], folder: Path) -> tuple[int, int, int]:
    """(flows, packets, octets) as nfcapd stored them."""
    folder.mkdir()
    port = free_port(socket.SOCK_DGRAM)
    nfcapd = subprocess.Popen(
        [need("nfcapd", "nfdump"), "-b", "127.0.0.1", "-p", str(port), "-l", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        wait_for_port(port)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for datagram in datagrams:
                sender.sendto(datagram, ("127.0.0.1", port))
        deadline = time.monotonic() + 10
        while waiting(port) and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        nfcapd.send_signal(signal.SIGTERM)
        nfcapd.communicate(timeout=60)
    (stored,) = [path for path in folder.iterdir() if re.fullmatch(r"nfcapd\.\d+", path.name)]
    said = subprocess.run(
        [need("nfdump", "nfdump"), "-r", str(stored), "-I"], check=True, capture_output=True, text=True, timeout=20
    ).stdout
    read = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in said.splitlines())}
    return int(read["Flows"]), int(read["Packets"]), int(read["Bytes"])


def queue_of(port: int) -> int | None:
    """Octets that wait in the receive queue of a UDP port; None while nobody listens."""
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        words = line.split()
        if int(words[1].partition(":")[2], 16) == port:
            return int(words[4].partition(":")[2], 16)
    return None


def waiting(port: int) -> bool:
    return bool(queue_of(port))


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 10
    while queue_of(port) is None:
        assert time.monotonic() < deadline, "nfcapd does not listen"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("version", ["5", "9", "10"])
def test_the_totals_are_nfdumps(capture: Path, tmp_path: Path, version: str) -> None:
    datagrams = exported(capture, version)
    decoder = FlowDecoder()
    for datagram in datagrams:
        decoder.feed(datagram, "127.0.0.1", 1)
    flows = decoder.take()
    ours = (len(flows), int(flows["packets"].sum()), int(flows["octets"].sum()))
    assert ours == nfdump_totals(datagrams, tmp_path / "stored")
    assert len(flows) > 100
    assert {reason for reason in decoder.counts if reason != "flows"} == set()
    assert decoder.lost["127.0.0.1"] == 0


def strange_datagrams() -> list[bytes]:
    """What rarely stands in one capture: biflows, sampling in options and in the header, data before its template, a withdrawn
    and a changed one, VLAN and MPLS labels, text of variable length, IPv6, ICMP, two domains."""
    ends = ((8, 4), (12, 4), (7, 2), (11, 2), (4, 1))
    record = bytes((192, 0, 2, 1, 198, 51, 100, 7)) + struct.pack(">HHB", 51234, 443, 6)
    ping = bytes((192, 0, 2, 1, 198, 51, 100, 7)) + struct.pack(">HHB", 0, 0x0800, 1)
    counts = ((1, 4), (2, 4))
    both = (*ends, *counts, (1, 4, 29305), (2, 4, 29305))
    six = ((27, 16), (28, 16), (7, 2), (11, 2), (4, 1), (85, 8), (86, 8))
    odd = (*ends, (58, 2), (70, 3), (96, 65535), (12, 4, 9), *counts)
    sampled = field_set(3, struct.pack(">HHHHHHHHH", 402, 3, 1, 149, 4, 305, 4, 306, 4))
    v5 = struct.pack(">HHIIIIBBH", 5, 1, 1000, 1_700_000_000, 0, 0, 0, 0, 0x4000 | 100) + bytes((192, 0, 2, 1, 198, 51, 100, 7)) + bytes(4)
    v5 += struct.pack(">HHIIIIHHBBBBHHBBH", 1, 2, 10, 1000, 1, 2, 1, 2, 0, 0, 6, 0, 0, 0, 0, 0, 0)
    ten = struct.pack(">II", 1000, 10)
    return [
        v5,
        v9(field_set(300, record + ten)),  # before its template: nobody can read it
        v9(field_set(0, template(300, (*ends, *counts, (23, 4), (24, 4)))), sequence=1),
        v9(field_set(300, record + ten + struct.pack(">II", 500, 5)), sequence=2),
        v9(field_set(0, template(300, (*ends, *counts))), field_set(300, ping + ten + record + ten), sequence=3),
        ipfix(field_set(2, template(301, both) + template(303, odd)), field_set(301, record + ten + struct.pack(">II", 70, 7)), domain=7),
        ipfix(field_set(303, record + struct.pack(">H3sB4sI", 100, b"\1\2\1", 4, b"name", 9) + ten), sequence=1, domain=7),
        ipfix(field_set(2, template(304, six)), domain=8),
        ipfix(field_set(304, bytes(32) + struct.pack(">HHBQQ", 53, 40000, 17, 1 << 33, 1 << 20)), domain=8),
        ipfix(field_set(2, template(301, ())), field_set(301, record + ten + ten), sequence=2, domain=7),  # withdrawn
        ipfix(sampled, field_set(2, template(300, (*ends, *counts))), domain=9),
        ipfix(field_set(402, struct.pack(">III", 9, 1, 99)), domain=9),
        ipfix(field_set(300, record + ten), sequence=1, domain=9),
    ]


@pytest.mark.slow
def test_the_totals_of_a_strange_capture_are_nfdumps(tmp_path: Path) -> None:
    datagrams, decoder = strange_datagrams(), FlowDecoder()
    for n, datagram in enumerate(datagrams):
        decoder.feed(datagram, "127.0.0.1", n + 1)
    flows = decoder.take()
    scaled = [int((flows[name] * flows["sampling"]).sum()) for name in ("packets", "octets")]
    assert (decoder.counts["flows"], *scaled) == nfdump_totals(datagrams, tmp_path / "stored")
    assert (decoder.counts["no_template"], decoder.counts["flows"]) == (2, 8)


@pytest.mark.slow
def test_pmaccts_sflow_samples_are_the_captures_frames(capture: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(1)
        lines = [
            "daemonize: false",
            f"pcap_savefile: {capture}",
            "plugins: sfprobe[a]",
            f"sfprobe_receiver[a]: 127.0.0.1:{sock.getsockname()[1]}",
            "sfprobe_agentip[a]: 127.0.0.1",
        ]
        (tmp_path / "pmacctd.conf").write_text("\n".join(lines) + "\n")
        command = [need("pmacctd", "pmacct"), "-f", str(tmp_path / "pmacctd.conf")]
        pmacctd = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            decoder, deadline = FlowDecoder(), time.monotonic() + 15
            while pmacctd.poll() is None and time.monotonic() < deadline:
                try:
                    decoder.feed(sock.recv(65_535), "127.0.0.1", 1)
                except TimeoutError:
                    continue
        finally:
            pmacctd.terminate()
            pmacctd.wait(10)
    flows = decoder.take()
    with PcapReader(str(capture)) as packets:
        lengths = Counter(len(packet) + FCS_OCTETS for packet in packets)
    assert Counter(flows["octets"].tolist()) <= lengths
    assert len(flows) > PACKETS * 0.8  # pmacctd ends with its last datagram unsent
    assert set(flows["destination_port"].tolist()) == {53, 443}
    assert set(flows["protocol"].tolist()) == {6, 17}
    assert decoder.lost["127.0.0.1"] == 0
    assert set(decoder.counts) <= {"flows", "other_record", "counter_sample"}
