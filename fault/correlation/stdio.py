"""The scoring contract's process: one JSON object a line in and out, `python -m fault.correlation.stdio`."""

import gc
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from fault.correlation.incident import Notice
from fault.correlation.model import Cause, Key
from fault.correlation.network import Network, network_of_json
from fault.correlation.report import Reporter
from fault.correlation.solver import Solver

CAUSES = {
    "lossOfSignal": Cause.SIGNAL,
    "adjacencyDown": Cause.ADJACENCY,
    "lspDown": Cause.PATH,
    "protectionSwitched": Cause.PATH,
    "unreachable": Cause.UNREACHABLE,
    "cardFailure": Cause.CARD,
    "powerProblem": Cause.POWER,
    "batteryDischarging": Cause.BATTERY,
    "coldStart": Cause.RESTART,
    "degradedSignal": Cause.DEGRADED,
    "lspDegraded": Cause.SLOW_PATH,
    "thresholdCrossed": Cause.CONGESTED,
    "configurationChanged": Cause.CHANGED,
}


class Session:
    """One scenario: a network, then batches of alarms."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.solver = Solver(network)
        self.reporter = Reporter(self.solver)

    def feed(self, now_s: float, records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The incidents made or changed, in the contract's shape."""
        return self.reporter.tell(self.solver.feed(now_s, [self.notice_of(record) for record in records]))

    def notice_of(self, record: Mapping[str, Any]) -> Notice:
        cause = CAUSES.get(record["probableCause"], Cause.LOCAL)
        resource, device = record["resource"], record["device"]
        if cause is Cause.SIGNAL and resource not in self.network.ports:
            cause = Cause.LOCAL
        if cause is Cause.CONGESTED and resource not in self.network.ports:
            cause = Cause.LOCAL
        name = resource if cause is not Cause.LOCAL else f"{record['probableCause']} {resource}"
        return Notice(record["id"], Key(cause, name, device), record["state"] == "cleared", record["t"], record["raised"])


def settle() -> None:
    """Tell the garbage collector that the network stays as long as the process, and that what comes is freed without it."""
    gc.freeze()
    gc.set_threshold(10_000, 50, 1_000)


def serve(lines: TextIO, out: TextIO) -> None:
    """Answer line by line until the input ends. The topology must come first."""
    session: Session | None = None
    for line in lines:
        request = json.loads(line)
        answer: dict[str, Any]
        if "topology" in request:
            session = Session(network_of_json(Path(request["topology"])))
            settle()
            answer = {"ready": True}
        elif session is None:
            answer = {"error": "the topology must come first"}
        else:
            answer = {"incidents": session.feed(request["now"], request["alarms"])}
        out.write(json.dumps(answer, separators=(",", ":")) + "\n")
        out.flush()


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
