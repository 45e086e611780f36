"""Where the simulator may send to: loopback, and nowhere else."""

import argparse
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network

LOOPBACK = ip_network("127.0.0.0/8")


@dataclass(frozen=True, slots=True)
class Address:
    """A host on loopback and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """`127.0.0.1:16162`; argparse turns the error into exit code 2."""
        host, _, port = text.rpartition(":")
        try:
            address, number = IPv4Address(host), int(port)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text} is not an IPv4 address and a port") from error
        if address not in LOOPBACK or not 0 < number < 65536:
            raise argparse.ArgumentTypeError(f"{text}: the simulator sends to {LOOPBACK} only")
        return cls(host, number)
