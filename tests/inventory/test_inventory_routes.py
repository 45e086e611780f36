"""Where the station hangs: by its machine's routes, by name, else where most links meet."""

from inventory.roots import roots
from inventory.routes import Route, gateways, kernel_routes, parse_ipv4, parse_ipv6
from inventory.topology import Device, Entity, Link, Topology

IPV4 = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
to-r1\t000012C6\t010112C6\t0003\t0\t0\t0\t0000FEFF\t0\t0\t0
gone\t000012C6\t020112C6\t0000\t0\t0\t0\t0000FFFF\t0\t0\t0
"""
NOWHERE = "0" * 32
IPV6 = f"""20010db8{NOWHERE[8:]} 20 {NOWHERE} 00 fe8{NOWHERE[4:]}1 00000400 00000001 00000000 00000003 eth0
fe8{NOWHERE[3:]} 40 {NOWHERE} 00 {NOWHERE} 00000100 00000001 00000000 00000001 eth0
{NOWHERE} 00 {NOWHERE} 00 {NOWHERE} ffffffff 00000001 00000000 00200200   lo
"""
ROUTES = [*parse_ipv4(IPV4.splitlines()), *parse_ipv6(IPV6.splitlines())]


def test_the_kernels_tables_are_read_as_routes() -> None:
    told = [(str(route.network), route.gateway) for route in ROUTES]
    assert told == [
        ("0.0.0.0/0", "172.17.0.1"),
        ("172.17.0.0/16", ""),
        ("198.18.0.0/15", "198.18.1.1"),
        ("2001:db8::/32", "fe80::1"),
        ("fe80::/64", ""),
    ]


def test_the_longest_prefix_chooses_the_gateway_and_a_link_of_ones_own_has_none() -> None:
    assert gateways(ROUTES, ["198.19.255.4", "198.18.255.2"]) == {"198.18.1.1"}
    assert gateways(ROUTES, ["172.17.0.9", "nonsense", ""]) == frozenset()
    assert gateways(ROUTES, ["192.0.2.1", "2001:db8::1"]) == {"172.17.0.1", "fe80::1"}
    assert gateways([], ["192.0.2.1"]) == frozenset()


def test_of_two_routes_to_one_network_the_first_counts() -> None:
    network = ROUTES[2].network
    assert gateways([Route(network, "198.18.1.1"), Route(network, "198.18.9.1")], ["198.18.255.2"]) == {"198.18.1.1"}


def test_this_machines_own_table_can_be_read() -> None:
    assert all(isinstance(route, Route) for route in kernel_routes())


def _row_of(n: int, names: list[str]) -> Topology:
    """r1 - r2 - ... with interfaces 1 and 2 at each."""
    devices = {no: Device(no, f"d{no}", name, "", f"192.0.2.{no}") for no, name in enumerate(names, 1)}
    entities = {no << 16 | port: Entity(no << 16 | port, f"e{no}{port}", "interface", f"p{port}") for no in devices for port in (1, 2)}
    links = {f"l{no}": Link(f"l{no}", no << 16 | 2, (no + 1) << 16 | 1) for no in range(1, n)}
    return Topology(devices=devices, entities=entities, links=links, addresses={"198.18.1.1": 1, "192.0.2.3": 3})


def test_the_station_hangs_on_its_gateway_however_few_links_it_has() -> None:
    topology = _row_of(3, ["r1", "r2", "r3"])
    assert roots(topology) == (2,)
    assert roots(topology, gateways={"198.18.1.1", "203.0.113.1"}) == (1,)
    assert roots(topology, gateways={"203.0.113.1"}) == (2,)
    assert roots(topology, ("r3",), {"198.18.1.1"}) == (3,)
