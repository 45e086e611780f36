"""A routed network of real daemons in network namespaces: FRR (OSPF), net-snmp's snmpd with AgentX, lldpd.

Each node has its own network, mount, pid and uts namespace; killing its first process ends all of it. Links are
veth pairs out of 198.18.0.0/15 (RFC 2544), the nth with the addresses .0 and .1 of 198.18.n.0/31 (RFC 3021); node n
owns the loopback 198.18.255.n. The node `nms` runs no router: the station under test is started in it and reaches the
others through its first link. A `silent` node speaks no LLDP; `peers` have an iBGP session between their loopbacks.
"""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

NEEDED = {
    "ip": "iproute2",
    "unshare": "util-linux",
    "snmpd": "snmpd",
    "lldpd": "lldpd",
    "/usr/lib/frr/zebra": "frr",
    "/usr/lib/frr/ospfd": "frr",
    "/usr/lib/frr/bgpd": "frr",
    "nft": "nftables",
    "ping": "iputils-ping",
}
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"

NODE = r"""
set -e
mount -t tmpfs none /run
mkdir -p /run/frr /run/lldpd /run/snmp /var/agentx
mount -t tmpfs -o mode=0755 none /var/agentx
mount -t tmpfs none /var/tmp
cp {dir}/frr.conf /run/frr/frr.conf
chown -R frr:frr /run/frr
hostname {name}
export SNMP_PERSISTENT_DIR=/run/snmp
snmpd -C -c {dir}/snmpd.conf -Lf /run/snmpd.log -x /var/agentx/master udp:161
for _ in $(seq 50); do [ -S /var/agentx/master ] && break; sleep 0.1; done
chmod 0777 /var/agentx/master
/usr/lib/frr/zebra -d -M snmp -f /run/frr/frr.conf --log file:/run/frr/zebra.log
/usr/lib/frr/ospfd -d -M snmp -f /run/frr/frr.conf --log file:/run/frr/ospfd.log
{more}
exec sleep infinity
"""
LLDPD = 'lldpd -x -d -S "{name} lab router" &'
BGPD = "/usr/lib/frr/bgpd -d -M snmp -f /run/frr/frr.conf --log file:/run/frr/bgpd.log"

SNMPD = """
rocommunity public
sysName {name}
sysLocation Lab
master agentx
createUser monitor
iquerySecName monitor
rouser monitor
trap2sink {station}:{trap_port} public
notificationEvent linkUpTrap linkUp ifIndex ifAdminStatus ifOperStatus
notificationEvent linkDownTrap linkDown ifIndex ifAdminStatus ifOperStatus
monitor -r 1 -e linkUpTrap "up" ifOperStatus != 2
monitor -r 1 -e linkDownTrap "down" ifOperStatus == 2
"""

FRR = """
hostname {name}
ip forwarding
agentx
router ospf
 ospf router-id {loopback}
 redistribute connected
 network 198.18.0.0/15 area 0
 timers throttle spf 10 50 100
{interfaces}
{bgp}
"""

BGP = """
router bgp 64512
 bgp router-id {loopback}
 timers bgp 1 3
"""
BGP_PEER = """ neighbor {peer} remote-as 64512
 neighbor {peer} update-source lo
 neighbor {peer} timers connect 1
"""

INTERFACE = """interface {name}
 ip ospf network point-to-point
 ip ospf hello-interval 1
 ip ospf dead-interval 4
"""


@dataclass
class Node:
    """One namespace; `interfaces` are (name, address) in the order of its links."""

    name: str
    number: int
    interfaces: list[tuple[str, str]] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    @property
    def loopback(self) -> str:
        return f"198.18.255.{self.number}"


class Lab:
    """`Lab(dir, links)` names nodes by the links between them; `start` builds, `stop` removes everything."""

    def __init__(
        self,
        folder: Path,
        links: Sequence[tuple[str, str]],
        trap_port: int = 16162,
        *,
        silent: frozenset[str] = frozenset(),
        peers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.folder, self.silent, self.peers = folder, silent, peers
        self.prefix = f"tl{os.getpid() % 10000}"
        self.trap_port = trap_port
        names = dict.fromkeys(name for link in links for name in link)
        self.nodes = {name: Node(name, number) for number, name in enumerate(names, 1)}
        self.links = list(links)

    def start(self) -> None:
        for node in self.nodes.values():
            _run("ip", "netns", "add", self._netns(node.name))
            self.ip(node.name, "link", "set", "lo", "up")
            self.ip(node.name, "addr", "add", f"{node.loopback}/32", "dev", "lo")
        for number, (a, b) in enumerate(self.links, 1):
            self._connect(number, self.nodes[a], self.nodes[b])
        for node in self.nodes.values():
            if node.name == "nms":
                gateway = self._far_end(node)
                self.ip("nms", "route", "add", "198.18.0.0/15", "via", gateway)
            else:
                self._boot(node)

    def stop(self) -> None:
        for node in self.nodes.values():
            if node.process is not None:
                node.process.kill()
                node.process.wait()
            subprocess.run(["ip", "netns", "del", self._netns(node.name)], check=False, capture_output=True, env={"PATH": PATH})

    def cut(self, a: str, b: str) -> None:
        """Pull the cable between two nodes: a's end goes down, b loses its carrier."""
        self.ip(a, "link", "set", self.interface(a, b), "down")

    def mend(self, a: str, b: str) -> None:
        self.ip(a, "link", "set", self.interface(a, b), "up")

    def kill(self, name: str) -> None:
        """Power off a node: every process ends and every carrier falls."""
        node = self.nodes[name]
        assert node.process is not None
        node.process.kill()
        for interface, _ in node.interfaces:
            self.ip(name, "link", "set", interface, "down")

    def filter_bgp(self, name: str) -> None:
        """Let a node lose what BGP says to it; its links and its other protocols do not notice."""
        nft = ("ip", "netns", "exec", self._netns(name), "nft", "add")
        _run(*nft, "table", "inet", "lab")
        _run(*nft, "chain", "inet", "lab", "in", "{ type filter hook input priority 0; }")
        for port in ("sport", "dport"):
            _run(*nft, "rule", "inet", "lab", "in", "tcp", port, "179", "drop")

    def pass_bgp(self, name: str) -> None:
        _run("ip", "netns", "exec", self._netns(name), "nft", "delete", "table", "inet", "lab")

    def udp_received(self, name: str) -> int:
        """How many UDP datagrams a node got, answered or not."""
        told = subprocess.run(
            ["ip", "netns", "exec", self._netns(name), "cat", "/proc/net/snmp"],
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": PATH},
        ).stdout
        names, values = (line.split() for line in told.splitlines() if line.startswith("Udp:"))
        found = dict(zip(names, values, strict=True))
        return int(found["InDatagrams"]) + int(found["NoPorts"])

    def interface(self, a: str, b: str) -> str:
        return f"to-{b}" if (a, b) in self.links or (b, a) in self.links else ""

    def ip(self, name: str, *arguments: str) -> None:
        _run("ip", "-n", self._netns(name), *arguments)

    def popen(self, name: str, command: Sequence[str], **keywords: object) -> "subprocess.Popen[str]":
        """Start a program inside a node's network namespace."""
        return subprocess.Popen(["ip", "netns", "exec", self._netns(name), *command], text=True, **keywords)  # type: ignore[call-overload,no-any-return]

    def inside(self, name: str, act: Callable[[], T]) -> T:
        """Call `act` in a thread that lives in a node's network namespace: its sockets are that node's."""

        def enter_and_act() -> T:
            descriptor = os.open(f"/run/netns/{self._netns(name)}", os.O_RDONLY)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0x40000000) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(descriptor)
            return act()

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(enter_and_act).result()

    def _netns(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def _connect(self, number: int, a: Node, b: Node) -> None:
        ends = (f"{self.prefix}a", f"{self.prefix}b")
        _run("ip", "link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for end, node, peer, host in ((ends[0], a, b, 0), (ends[1], b, a, 1)):
            name, address = f"to-{peer.name}", f"198.18.{number}.{host}"
            _run("ip", "link", "set", end, "netns", self._netns(node.name), "name", name)
            self.ip(node.name, "addr", "add", f"{address}/31", "dev", name)
            self.ip(node.name, "link", "set", name, "up")
            node.interfaces.append((name, address))

    def _far_end(self, node: Node) -> str:
        own = node.interfaces[0][1]
        return own[:-1] + ("1" if own.endswith(".0") else "0")

    def _boot(self, node: Node) -> None:
        folder = self.folder / node.name
        folder.mkdir(parents=True, exist_ok=True)
        station = self.nodes["nms"].interfaces[0][1]
        (folder / "snmpd.conf").write_text(SNMPD.format(name=node.name, station=station, trap_port=self.trap_port))
        interfaces = "".join(INTERFACE.format(name=name) for name, _ in node.interfaces)
        others = [b if a == node.name else a for a, b in self.peers if node.name in (a, b)]
        bgp = "".join((BGP.format(loopback=node.loopback), *(BGP_PEER.format(peer=self.nodes[other].loopback) for other in others)))
        (folder / "frr.conf").write_text(
            FRR.format(name=node.name, loopback=node.loopback, interfaces=interfaces, bgp=bgp if others else "")
        )
        programs = [*([] if node.name in self.silent else [LLDPD.format(name=node.name)]), *([BGPD] if others else [])]
        script = NODE.format(name=node.name, dir=folder, more="\n".join(programs))
        isolate = ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        node.process = subprocess.Popen(
            ["ip", "netns", "exec", self._netns(node.name), *isolate, "bash", "-c", script],
            env={"PATH": PATH},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": PATH}, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def missing_programs() -> list[str]:
    """Debian packages of the programs that are not there."""
    return sorted({package for program, package in NEEDED.items() if shutil.which(program, path=PATH) is None})


def namespace_error() -> str:
    """Why this kernel or container forbids network namespaces; empty when it does not."""
    probe = subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--fork", "ip", "link", "add", "p0", "type", "veth", "peer", "name", "p1"],
        capture_output=True,
        text=True,
        env={"PATH": PATH},
        check=False,
    )
    return probe.stderr.strip() if probe.returncode else ""


@contextmanager
def running_lab(
    folder: Path,
    links: Sequence[tuple[str, str]],
    trap_port: int = 16200,
    *,
    silent: frozenset[str] = frozenset(),
    peers: Sequence[tuple[str, str]] = (),
) -> Iterator[Lab]:
    lab = Lab(folder, links, trap_port, silent=silent, peers=peers)
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()
