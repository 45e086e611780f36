"""Ports for what the tests start."""

import socket

TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM


def free_port(kind: socket.SocketKind, address: str = "127.0.0.1") -> int:
    """One that nobody has at this address at this moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
