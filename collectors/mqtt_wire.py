"""Reading MQTT 3.1.1 in chunks: what a broker sends most, PUBLISH of QoS 0 and 1, is cut from the socket's octets at once.

The client library reads a packet by three system calls and an object of its own, and acknowledges by one more. Here it keeps
the connection, its keepalive and every other packet; only how octets become packets and how many acknowledgements are written
together is ours (MQTT 3.1.1, 2.2 and 3.3).
"""

import struct
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from paho.mqtt.enums import MQTTErrorCode

CHUNK_OCTETS: Final = 1 << 16
PUBLISH, PUBACK = 0x30, 0x40
_PUBACK: Final = struct.Struct(">BBH")

Publish = Callable[[str, bytes, int, int], None]
"""(topic, payload, packet identifier, QoS)."""


class PacketReader:
    """Stands in for a paho client's own reading; `published` hears PUBLISH of QoS 0 and 1."""

    def __init__(self, client: Any, published: Publish) -> None:
        self._client, self._published = client, published
        self._buffer = bytearray()
        client._packet_read = self.read

    def read(self) -> MQTTErrorCode:
        """Take what the socket has, at most a chunk, and handle every packet that is whole."""
        try:
            data = self._client._sock_recv(CHUNK_OCTETS)
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_AGAIN
        except OSError:
            data = b""
        if not data:
            self._buffer.clear()
            return MQTTErrorCode.MQTT_ERR_CONN_LOST
        self._client._last_msg_in = time.monotonic()
        self._buffer += data
        at, result = 0, MQTTErrorCode.MQTT_ERR_SUCCESS
        whole = bytes(self._buffer)
        while result == MQTTErrorCode.MQTT_ERR_SUCCESS and (found := packet(whole, at)) is not None:
            start, stop = found
            if stop < 0:
                return MQTTErrorCode.MQTT_ERR_PROTOCOL
            command, at_packet, at = whole[at], start, stop
            result = self._handle(command, whole[at_packet:stop])
        del self._buffer[:at]
        return result

    def _handle(self, command: int, body: bytes) -> MQTTErrorCode:
        qos = command >> 1 & 3
        if command & 0xF0 == PUBLISH and qos < 2:
            message = published(body, qos)
            if message is None:
                return MQTTErrorCode.MQTT_ERR_PROTOCOL
            self._published(*message)
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        client = self._client
        client._in_packet["command"], client._in_packet["packet"] = command, bytearray(body)
        client._in_packet["remaining_length"] = len(body)
        try:
            result: MQTTErrorCode = client._packet_handle()
        finally:
            client._in_packet["command"], client._in_packet["packet"] = 0, bytearray()
        return result

    def acknowledge(self, identifiers: Iterable[int]) -> None:
        """Write a PUBACK for each, all of them together."""
        if octets := b"".join(_PUBACK.pack(PUBACK, 2, identifier) for identifier in identifiers):
            self._client._packet_queue(PUBACK, octets, 0, 0)


def packet(data: bytes, at: int) -> tuple[int, int] | None:
    """(start, stop) of the body of the packet at `at`; None where it is not whole yet, stop -1 where its length is none."""
    length, shift, pos = 0, 0, at + 1
    while pos < len(data):
        octet = data[pos]
        pos += 1
        length |= (octet & 0x7F) << shift
        if octet < 0x80:
            return (pos, pos + length) if pos + length <= len(data) else None
        shift += 7
        if shift > 21:
            return pos, -1
    return None


def published(body: bytes, qos: int) -> tuple[str, bytes, int, int] | None:
    """(topic, payload, packet identifier, QoS) of a PUBLISH; None when it is none (a topic is UTF-8, an identifier is not 0)."""
    if len(body) < 2:
        return None
    stop = 2 + (body[0] << 8 | body[1])
    at = stop + 2 if qos else stop
    if len(body) < at:
        return None
    try:
        topic = body[2:stop].decode()
    except UnicodeDecodeError:
        return None
    identifier = int.from_bytes(body[stop:at]) if qos else 0
    return (topic, body[at:], identifier, qos) if identifier or not qos else None
