"""What people call the numbers in flows: protocols and ports (IANA), prefixes and AS."""

from typing import Final

from collectors.codecs.flow import text_of
from collectors.flow_totals import IPV4_PREFIX, IPV6_PREFIX

PROTOCOLS: Final = {
    1: "icmp", 2: "igmp", 4: "ip in ip", 6: "tcp", 17: "udp", 33: "dccp", 41: "ipv6 in ip", 46: "rsvp", 47: "gre", 50: "esp", 51: "ah",
    58: "icmpv6", 88: "eigrp", 89: "ospf", 103: "pim", 112: "vrrp", 115: "l2tp", 124: "isis over ip", 132: "sctp", 136: "udp-lite",
}  # fmt: skip
PORTS: Final = {
    20: "ftp-data", 21: "ftp", 22: "ssh", 23: "telnet", 25: "smtp", 49: "tacacs", 53: "domain", 67: "dhcp", 68: "dhcp", 69: "tftp",
    80: "http", 88: "kerberos", 110: "pop3", 119: "nntp", 123: "ntp", 135: "epmap", 137: "netbios-ns", 139: "netbios-ssn", 143: "imap",
    161: "snmp", 162: "snmptrap", 179: "bgp", 389: "ldap", 443: "https", 445: "microsoft-ds", 465: "submissions", 500: "isakmp",
    514: "syslog", 546: "dhcpv6", 547: "dhcpv6", 554: "rtsp", 563: "nntps", 587: "submission", 636: "ldaps", 646: "ldp", 830: "netconf",
    853: "domain-s", 873: "rsync", 993: "imaps", 995: "pop3s", 1194: "openvpn", 1433: "ms-sql", 1521: "oracle", 1701: "l2tp",
    1723: "pptp", 1812: "radius", 1813: "radius-acct", 1883: "mqtt", 1935: "rtmp", 2049: "nfs", 2055: "netflow", 3306: "mysql",
    3389: "rdp", 3478: "stun", 3784: "bfd", 4500: "ipsec-nat-t", 4789: "vxlan", 5060: "sip", 5061: "sips", 5222: "xmpp", 5228: "push",
    5432: "postgresql", 5900: "vnc", 6343: "sflow", 6379: "redis", 6881: "bittorrent", 8080: "http-alt", 8443: "https-alt",
    8883: "mqtts", 9339: "gnmi", 11211: "memcache", 51820: "wireguard",
}  # fmt: skip
_WITH_PORTS: Final = frozenset({6, 17, 33, 132, 136})
NO_ADDRESS: Final = "not IP, or too little to be told apart"


def application(protocol: int, port: int) -> str:
    """`https (tcp 443)`, `tcp 50001`, `gre`; QUIC is udp to the port of https (RFC 9000)."""
    kind = PROTOCOLS.get(protocol, f"protocol {protocol}")
    if protocol not in _WITH_PORTS:
        return kind
    known = "quic" if (protocol, port) == (17, 443) else PORTS.get(port)
    return f"{known} ({kind} {port})" if known else f"{kind} {port}"


def prefix(high: int, low: int) -> str:
    """A prefix as the totals cut it."""
    if not high and not low:
        return NO_ADDRESS
    text = text_of(high, low)
    return f"{text}/{IPV6_PREFIX if ':' in text else IPV4_PREFIX}"


def autonomous_system(number: int) -> str:
    return f"AS {number}" if number else "unknown AS"
