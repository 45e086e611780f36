"""The share of the raw UDP floor: a poll's CPU beside that of only sending the same packets and receiving the answers, undecoded.

python -m benchmarks.snmp_floor [--json] [--quick]

Both move as many datagrams a system call as there are, and read at most once a millisecond. What the floor sends was
made beforehand. `share` is its CPU over ours: 1 would be a poll that costs nothing but its system calls.
"""

import argparse
import asyncio
import json
import statistics
import time

from benchmarks.snmp_agents import PORT, VALUES_PER_AGENT, address, answering
from benchmarks.snmp_clients import COMMUNITY, Ours, our_plan
from collectors.batched_udp import open_socket
from collectors.codecs import ber
from collectors.datagrams import DATAGRAMS, RECEIVE_SLOT, Datagrams, sockaddr
from collectors.snmp.security import CommunitySecurity

SEND_SLOT = 2048
PATIENCE_S = 30.0
PAUSE_S = 0.001
GOAL = 0.6


class Floor:
    """Every request of every agent in tables that are ready to be sent."""

    def __init__(self, agents: int) -> None:
        head = CommunitySecurity(COMMUNITY).head
        requests = [ber.tlv(ber.SEQUENCE, head + request.head + (1 << 24).to_bytes(4) + request.tail) for request in our_plan().requests]
        datagrams = [(sockaddr(address(agent), PORT), request) for request in requests for agent in range(agents)]
        self.tables: list[tuple[Datagrams, int]] = []
        for at in range(0, len(datagrams), DATAGRAMS):
            table, part = Datagrams(SEND_SLOT), datagrams[at : at + DATAGRAMS]
            for i, (name, request) in enumerate(part):
                table.put(i, request)
                table.to(i, name)
            self.tables.append((table, len(part)))
        self.outstanding = 2 * agents
        self.received = Datagrams(RECEIVE_SLOT)

    def poll(self) -> float:
        """CPU-seconds of one poll of all agents."""
        with open_socket("0.0.0.0", 0, 16 << 20) as sock:
            began, deadline = time.process_time(), time.monotonic() + PATIENCE_S
            flying, waiting = 0, list(self.tables)
            while flying or waiting:
                assert time.monotonic() < deadline, f"{flying} answers were lost"
                while waiting and flying < self.outstanding:
                    table, n = waiting.pop()
                    flying += table.send(sock, n)
                found = DATAGRAMS
                while found == DATAGRAMS:
                    found = self.received.receive(sock)
                    flying -= found
                time.sleep(PAUSE_S)
            return time.process_time() - began


async def polled(ours: Ours) -> float:
    """CPU-seconds of one poll of all agents, after one to warm up."""
    async with ours:
        await ours.poll()
        began = time.process_time()
        assert await ours.poll() == ours.agents * VALUES_PER_AGENT
        return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    agents, repeats = (500, 5) if options.quick else (1000, 9)
    mine, theirs = [], []
    with answering():
        floor = Floor(agents)
        floor.poll()
        for _ in range(repeats):
            mine.append(asyncio.run(polled(Ours(agents, COMMUNITY))))
            theirs.append(floor.poll())
    ours_s, floor_s = statistics.median(mine), statistics.median(theirs)
    figure = {
        "name": "snmp_share_of_udp_floor",
        "value": round(floor_s / ours_s, 2),
        "unit": "CPU of the same packets undecoded / CPU of the poll",
        "peer": "sendmmsg and recvmmsg of the same packets",
        "peer_value": round(floor_s, 4),
        "ours": round(ours_s, 4),
        "ratio": round(floor_s / ours_s, 2),
        "goal": GOAL,
        "agents": agents,
        "n": repeats,
    }
    print(json.dumps(figure) if options.json else "  ".join(f"{name} {value}" for name, value in figure.items()), flush=True)


if __name__ == "__main__":
    main()
