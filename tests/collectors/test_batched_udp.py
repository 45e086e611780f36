"""Datagrams go and come the same way by many a system call and by one."""

import pytest

from collectors.batched_udp import SEND_OCTETS_MAX, BatchedUdp, open_socket, peer_name, peer_of


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("longest", [1400, SEND_OCTETS_MAX + 1])
def test_what_is_sent_is_received_with_its_sender(address: str, batched: bool, longest: int) -> None:
    one, other = (BatchedUdp(open_socket(address, 0, 1 << 20), batched=batched) for _ in range(2))
    to = peer_name(address, other.sock.getsockname()[1])
    sent = [b"x" * length for length in (1, 0, 7, longest)] * 20
    assert one.send([(payload, to) for payload in sent]) == len(sent)
    found = [datagram for _ in range(2) for datagram in other.receive()]
    assert [payload for payload, _ in found] == sent
    assert {peer_of(name) for _, name in found} == {(address, one.sock.getsockname()[1])}
    one.close()
    other.close()
