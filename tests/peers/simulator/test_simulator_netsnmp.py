"""net-snmp's programs against the agents, and its trap receiver against what they send."""

import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.build import build
from tests.peers.simulator.conftest import Running, program
from tests.ports import UDP, free_port

pytestmark = pytest.mark.slow

V2C = ("-v2c", "-c", "public")
V3 = ("-v3", "-u", "trunkline", "-a", "SHA-256", "-A", "simulated-network", "-x", "AES", "-X", "simulated-network", "-l", "authPriv")
IF_NAME, IF_HC_IN, SYS_NAME = "1.3.6.1.2.1.31.1.1.1.1", "1.3.6.1.2.1.31.1.1.1.6", "1.3.6.1.2.1.1.5.0"
LLDP_REM_NAME = "1.0.8802.1.1.2.1.4.1.1.9"
PATIENCE_S = 60.0


def snmp(command: str, simulator: Running, *arguments: str, address: str = "127.64.1.1", security: tuple[str, ...] = V2C) -> list[str]:
    """The lines that a net-snmp program prints, OIDs and values in numbers."""
    options = ("-m", "", "-On", "-t", "1", "-r", "1")
    whole = [program(command, "snmp"), *security, *options, f"{address}:{simulator.port}", *arguments]
    return subprocess.run(whole, capture_output=True, text=True, timeout=60).stdout.splitlines()


def values(lines: list[str]) -> list[str]:
    return [line.split(" = ", 1)[1].split(": ", 1)[1].strip('"') for line in lines]


@pytest.mark.parametrize("security", [V2C, ("-v1", "-c", "public"), V3], ids=["v2c", "v1", "v3"])
def test_a_walk_ends_and_names_every_interface(simulator: Running, security: tuple[str, ...]) -> None:
    device = build(1, 24).by_name["ham-core-1"]
    assert values(snmp("snmpwalk", simulator, IF_NAME, security=security)) == [i.name for i in device.interfaces]


@pytest.mark.parametrize("security", [V2C, V3], ids=["v2c", "v3"])
def test_getnext_and_getbulk_walk_the_same_objects_in_order(simulator: Running, security: tuple[str, ...]) -> None:
    one = [line.split(" = ")[0] for line in snmp("snmpwalk", simulator, ".1", security=security)]
    many = [line.split(" = ")[0] for line in snmp("snmpbulkwalk", simulator, "-Cr37", ".1", security=security)]
    assert one == many
    assert len(one) > 400


def test_every_device_answers_from_its_own_address(simulator: Running) -> None:
    for device in build(1, 24).devices:
        assert values(snmp("snmpget", simulator, SYS_NAME, address=device.address)) == [device.name]


def test_counters_rise(simulator: Running) -> None:
    first = list(map(int, values(snmp("snmpwalk", simulator, IF_HC_IN))))
    deadline = time.monotonic() + PATIENCE_S
    while (later := list(map(int, values(snmp("snmpwalk", simulator, IF_HC_IN))))) == first:
        assert time.monotonic() < deadline
    assert all(after >= before for before, after in zip(first, later, strict=True))


def test_both_ends_of_a_link_see_each_other(simulator: Running) -> None:
    assert "ber-core-1" in values(snmp("snmpwalk", simulator, LLDP_REM_NAME))
    assert "ham-core-1" in values(snmp("snmpwalk", simulator, LLDP_REM_NAME, address="127.64.2.1"))


def test_what_is_not_there_is_said_to_be_missing(simulator: Running) -> None:
    lines = snmp("snmpget", simulator, f"{IF_NAME}.99", "1.3.6.1.9.9.1")
    assert [line.split(" = ")[1] for line in lines] == [
        "No Such Instance currently exists at this OID",
        "No Such Object available on this agent at this OID",
    ]


def test_a_wrong_community_gets_no_answer(simulator: Running) -> None:
    assert snmp("snmpget", simulator, SYS_NAME, security=("-v2c", "-c", "private")) == []


@pytest.mark.parametrize(
    "wrong",
    [
        ("-v3", "-u", "nobody", "-l", "noAuthNoPriv"),
        ("-v3", "-u", "trunkline", "-l", "noAuthNoPriv"),
        ("-v3", "-u", "trunkline", "-a", "SHA-256", "-A", "wrong-password", "-l", "authNoPriv"),
        (*V3[:-4], "-X", "wrong-password", "-l", "authPriv"),
    ],
    ids=["user", "level", "authentication", "privacy"],
)
def test_wrong_credentials_are_reported(simulator: Running, wrong: tuple[str, ...]) -> None:
    assert snmp("snmpget", simulator, SYS_NAME, security=wrong) == []


def test_a_set_is_refused(simulator: Running) -> None:
    assert snmp("snmpset", simulator, SYS_NAME, "s", "mine") == []
    assert values(snmp("snmpget", simulator, SYS_NAME)) == ["ham-core-1"]


def trap_receiver(folder: Path, port: int, user: str = "") -> tuple[subprocess.Popen[bytes], Path]:
    """snmptrapd that writes what arrives as `<source> <trap OID>` lines."""
    config, log = folder / "snmptrapd.conf", folder / "traps.log"
    config.write_text(f"authCommunity log public\n{user}\n")
    form = "%b %v\n"
    options = ["-f", "-C", "-c", str(config), "-m", "", "-On", "-n", "-Lf", str(log), "-F", form, f"127.0.0.1:{port}"]
    environment = {"SNMP_PERSISTENT_DIR": str(folder), "PATH": "/usr/bin:/usr/sbin:/bin"}
    return subprocess.Popen([program("snmptrapd", "snmptrapd"), *options], env=environment, stderr=subprocess.DEVNULL), log


def until(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not found():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.mark.parametrize("version", ["2c", "3"])
def test_snmptrapd_hears_both_ends_of_a_cut_from_their_own_addresses(start: Callable[..., Running], tmp_path: Path, version: str) -> None:
    world = build(1, 24)
    port = free_port(UDP)
    users = [
        f"createUser -e 0x{(0x80000000 | 99999):08x}03{world.by_name[name].chassis_id.hex()} trunkline SHA-256 simulated-network AES"
        " simulated-network"
        for name in ("ham-core-1", "ber-core-1")
    ]
    receiver, log = trap_receiver(tmp_path, port, "\n".join([*users, "authUser log trunkline"]) if version == "3" else "")
    try:
        until(lambda: log.exists() and "NET-SNMP version" in log.read_text())
        simulator = start("--trap", f"127.0.0.1:{port}", "--trap-version", version)
        assert simulator.ask("/cut", {"kind": "link", "a": "ham-core-1", "b": "ber-core-1"})["text"]
        until(lambda: log.read_text().count(".1.3.6.1.6.3.1.1.5.3") == 2 and log.read_text().count(".1.3.6.1.2.1.14.16.2.2") == 2)
        text = log.read_text()
        assert "[127.64.1.1]" in text and "[127.64.2.1]" in text
    finally:
        receiver.terminate()
        receiver.wait(10)


def test_syslog_comes_from_the_devices_address(start: Callable[..., Running]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(PATIENCE_S)
        simulator = start("--syslog", f"127.0.0.1:{sock.getsockname()[1]}")
        simulator.ask("/cut", {"kind": "link", "a": "ham-agg-1", "b": "ham-acc-1"})
        line, peer = sock.recvfrom(2048)
    assert peer[0] == "127.64.1.3"
    assert line.startswith(b"<187>1 20") and b"ham-agg-1 ifmgr - LINK-3-UPDOWN [trunkline@99999 ifName=" in line
