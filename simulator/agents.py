"""All agents in one process: a UDP socket for each device on its own address, read when it has something."""

import asyncio
import resource
import socket
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from simulator import agent_ber as ber
from simulator.agent import V3, Agent
from simulator.hostile import BUSY, BUSY_S, KINDS, RENUMBERS, SLOW, SLOW_S, renumbered
from simulator.mib import table
from simulator.network import Network

if TYPE_CHECKING:
    from simulator.agent_v3 import Engine

PORT = 16100
MAX_DATAGRAM_OCTETS = 65_535
MAX_PER_WAKE_UP = 32  # datagrams of one device before the others have their turn
SPARE_FILES = 256
HOSTILE_AT = -2  # which device misbehaves where one has to


def allow_files(count: int) -> None:
    """Raise this process's limit of open files to what `count` sockets need, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + SPARE_FILES
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


class Agents:
    """The sockets of all agents. `dropped` counts what got no answer, by reason."""

    def __init__(self, network: Network, community: str, now: Callable[[], int], port: int = PORT, hostile: str = "") -> None:
        self._network, self._now, self._port = network, now, port
        self._hostile = hostile, network.world.devices[HOSTILE_AT].number
        builds = {self._hostile[1]: renumbered} if hostile == RENUMBERS else {}
        self._agents = [Agent(network, device, community.encode(), builds.get(device.number, table)) for device in network.world.devices]
        self._busy_until_s = 0.0
        self._sockets: list[socket.socket] = []
        self._engines: dict[int, Engine] = {}
        self.dropped: Counter[str] = Counter()
        self.answered = 0

    def open(self) -> None:
        """Bind every device's socket and answer from now on; OSError when an address is taken."""
        allow_files(len(self._agents))
        loop = asyncio.get_running_loop()
        for agent in self._agents:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._sockets.append(sock)
            sock.bind((agent.device.address, self._port))
            loop.add_reader(sock.fileno(), self._readable, sock, agent)

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            loop.remove_reader(sock.fileno())
            sock.close()
        self._sockets.clear()

    def _readable(self, sock: socket.socket, agent: Agent) -> None:
        for _ in range(MAX_PER_WAKE_UP):
            try:
                data, peer = sock.recvfrom(MAX_DATAGRAM_OCTETS)
            except BlockingIOError:
                return
            self._answer(sock, agent, data, peer)

    def _answer(self, sock: socket.socket, agent: Agent, data: bytes, peer: tuple[str, int]) -> None:
        if agent.device.number not in self._network.reachable:
            self.dropped["unreachable"] += 1
            return
        try:
            answer = self._reply(agent, data)
        except ber.BerError:
            self.dropped["malformed"] += 1
            return
        if answer is None:
            self.dropped["refused"] += 1
            return
        wait_s = self._wait_s(agent)
        if wait_s:
            asyncio.get_running_loop().call_later(wait_s, self._send, sock, answer, peer)
        else:
            self._send(sock, answer, peer)

    def _wait_s(self, agent: Agent) -> float:
        """How long a slow agent takes: each answer its time, or one answer after the other."""
        kind, number = self._hostile
        if agent.device.number != number or kind not in (SLOW, BUSY):
            return 0.0
        if kind == SLOW:
            return SLOW_S
        now_s = asyncio.get_running_loop().time()
        self._busy_until_s = max(now_s, self._busy_until_s) + BUSY_S
        return self._busy_until_s - now_s

    def _send(self, sock: socket.socket, answer: bytes, peer: tuple[str, int]) -> None:
        try:
            sock.sendto(answer, peer)
            self.answered += 1
        except OSError:
            self.dropped["send"] += 1

    def _reply(self, agent: Agent, data: bytes) -> bytes | None:
        kind, number = self._hostile
        if kind in KINDS and agent.device.number == number:
            return KINDS[kind](data, lambda: self._proper(agent, data))
        return self._proper(agent, data)

    def _proper(self, agent: Agent, data: bytes) -> bytes | None:
        """What the agent answers by the book."""
        start, end = ber.expect(data, 0, len(data), ber.SEQUENCE)
        version, _ = ber.read_integer(data, start, end)
        if version != V3:
            return agent.answer(data, self._now())
        from simulator import agent_v3  # its cryptography costs start-up time that v2c does not need

        engine = self._engines.get(agent.device.number)
        if engine is None:
            engine = self._engines[agent.device.number] = agent_v3.Engine(self._network, agent.device)
        return agent_v3.answer(agent, engine, data, self._now())
