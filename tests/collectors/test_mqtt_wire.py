"""MQTT packets cut from octets: however a stream is split, its messages are the same; what is no packet ends the connection."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import MQTTErrorCode

from collectors.mqtt_wire import PacketReader

OK, LOST, WRONG = MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_CONN_LOST, MQTTErrorCode.MQTT_ERR_PROTOCOL


class Client:
    """A paho client as far as the reader touches it: octets to give, and the packets that it is left with."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks, self.left, self.sent = chunks, [], []  # type: ignore[var-annotated]
        self._in_packet: dict[str, Any] = {}
        self._last_msg_in = 0.0

    def _sock_recv(self, _octets: int) -> bytes:
        if not self.chunks:
            raise BlockingIOError
        return self.chunks.pop(0)

    def _packet_handle(self) -> MQTTErrorCode:
        self.left.append((self._in_packet["command"], bytes(self._in_packet["packet"])))
        return OK

    def _packet_queue(self, _command: int, octets: bytes, _mid: int, _qos: int) -> None:
        self.sent.append(octets)


def length_of(n: int) -> bytes:
    found = bytearray()
    while True:
        n, octet = divmod(n, 128)
        found.append(octet | (0x80 if n else 0))
        if not n:
            return bytes(found)


def publish(topic: str, payload: bytes, mid: int, qos: int) -> bytes:
    name = topic.encode()
    body = len(name).to_bytes(2) + name + (mid.to_bytes(2) if qos else b"") + payload
    return bytes((0x30 | qos << 1,)) + length_of(len(body)) + body


def read(chunks: list[bytes]) -> tuple[Client, list[Any], list[MQTTErrorCode]]:
    client, heard = Client(list(chunks)), list[Any]()
    reader = PacketReader(client, lambda *message: heard.append(message), set())
    return client, heard, [reader.read() for _ in chunks]


messages = st.tuples(
    st.text(max_size=20).filter(lambda t: "\0" not in t), st.binary(max_size=300), st.integers(1, 65535), st.sampled_from([0, 1, 2])
)


@given(st.lists(messages, max_size=6), st.lists(st.integers(0, 2_000), max_size=8))
def test_a_stream_says_the_same_however_it_is_split(some: list[tuple[str, bytes, int, int]], cuts: list[int]) -> None:
    stream = b"".join(publish(*message) for message in some)
    borders = [0, *sorted(cut for cut in cuts if 0 < cut < len(stream)), len(stream)]
    _, heard, results = read([stream[a:b] for a, b in pairwise(borders) if a < b])
    assert heard == [(topic, payload, mid if qos else 0, qos) for topic, payload, mid, qos in some]
    assert set(results) <= {OK}


def test_every_other_packet_is_left_to_the_library_in_its_turn() -> None:
    client, heard, results = read([b"\xd0\x00" + publish("a", b"1", 1, 1) + b"\x90\x03\x00\x01\x01"])
    assert [command for command, _ in client.left] == [0xD0, 0x90]
    assert (len(heard), results) == (1, [OK])


def test_a_message_of_qos_2_is_taken_once_however_often_it_is_sent() -> None:
    held, heard = set[int](), list[Any]()
    first, again = Client([publish("a", b"1", 7, 2)]), Client([publish("a", b"1", 7, 2), b"\x62\x02\x00\x07", publish("a", b"2", 7, 2)])
    reader = PacketReader(first, lambda *message: heard.append(message), held)
    reader.read()
    reader.receive([7])
    assert first.sent == [b"\x50\x02\x00\x07"]  # and the connection is lost
    reader = PacketReader(again, lambda *message: heard.append(message), held)
    assert [reader.read() for _ in range(3)] == [OK] * 3
    assert again.sent == [b"\x50\x02\x00\x07", b"\x70\x02\x00\x07"]  # PUBREC again, PUBCOMP for its PUBREL
    assert [payload for _, payload, _, _ in heard] == [b"1", b"2"]


def test_a_broker_that_lost_the_session_numbers_anew() -> None:
    held, heard = {7}, list[Any]()
    client = Client([b"\x20\x02\x00\x00", publish("a", b"new", 7, 2)])
    reader = PacketReader(client, lambda *message: heard.append(message), held)
    assert [reader.read() for _ in range(2)] == [OK] * 2
    assert [payload for _, payload, _, _ in heard] == [b"new"]


@pytest.mark.parametrize(
    "wrong",
    [
        b"\x32\xff\xff\xff\xff\x01",  # a length of five octets
        b"\x32\x01\x00",  # too short for a topic
        b"\x32\x03\x00\x01a",  # no packet identifier
        b"\x32\x05\x00\x01a\x00\x00",  # identifier 0
        b"\x36\x05\x00\x01a\x00\x01",  # QoS 3
        b"\x30\x04\x00\x02\xff\xfe",  # a topic that is not UTF-8
    ],
)
def test_what_is_no_packet_ends_the_connection(wrong: bytes) -> None:
    assert read([wrong])[2] == [WRONG]


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=5))
def test_any_octets_are_packets_or_end_the_connection(chunks: list[bytes]) -> None:
    assert set(read(chunks)[2]) <= {OK, WRONG}


def test_the_end_of_the_stream_is_the_end_of_the_connection() -> None:
    assert read([b""])[2] == [LOST]


def test_acknowledgements_are_written_together() -> None:
    client = Client([])
    reader = PacketReader(client, lambda *_: None, set())
    reader.acknowledge([1, 65535])
    reader.acknowledge([])
    assert client.sent == [b"\x40\x02\x00\x01\x40\x02\xff\xff"]
