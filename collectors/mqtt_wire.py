"""Reading MQTT 3.1.1 in chunks: what a broker sends most, PUBLISH, is cut from the socket's octets at once.

The client library reads a packet by three system calls and an object of its own, acknowledges by one more, and confirms QoS 2
before anybody has the message. Here it keeps the connection, its keepalive and every other packet; how octets become packets,
how many acknowledgements are written together, and the receiver's part of QoS 2 is ours (MQTT 3.1.1, 2.2, 3.3 and 4.3.3:
a message is taken at its PUBLISH, PUBREC says that it is kept, its identifier is held until PUBREL).
"""

import struct
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from paho.mqtt.enums import MQTTErrorCode

CHUNK_OCTETS: Final = 1 << 16
CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 0x20, 0x30, 0x40, 0x50, 0x60, 0x70
_ANSWER: Final = struct.Struct(">BBH")

Publish = Callable[[str, bytes, int, int], None]
"""(topic, payload, packet identifier, QoS)."""


class PacketReader:
    """Stands in for a paho client's own reading; `published` hears every PUBLISH.

    `held` are identifiers of QoS 2 that are kept and not released by the broker; it outlives the connection.
    """

    def __init__(self, client: Any, published: Publish, held: set[int]) -> None:
        self._client, self._published, self._held = client, published, held
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
        if command & 0xF0 == PUBLISH:
            message = published(body, qos)
            if message is None:
                return MQTTErrorCode.MQTT_ERR_PROTOCOL
            if qos == 2 and message[2] in self._held:  # sent again: the broker did not get our PUBREC
                self.receive([message[2]])
            else:
                self._published(*message)
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        if command & 0xF0 == PUBREL and len(body) >= 2:
            identifier = int.from_bytes(body[:2])
            self._held.discard(identifier)
            self._answer(PUBCOMP, [identifier])
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        if command & 0xF0 == CONNACK and body[:2] == b"\0\0":  # the broker knows nothing of a former session, and numbers anew
            self._held.clear()
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
        self._answer(PUBACK, identifiers)

    def receive(self, identifiers: Iterable[int]) -> None:
        """Say of messages of QoS 2 that they are kept, all together."""
        kept = list(identifiers)
        self._held.update(kept)
        self._answer(PUBREC, kept)

    def _answer(self, command: int, identifiers: Iterable[int]) -> None:
        if octets := b"".join(_ANSWER.pack(command, 2, identifier) for identifier in identifiers):
            self._client._packet_queue(command, octets, 0, 0)


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
    if len(body) < 2 or qos > 2:
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
