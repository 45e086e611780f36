"""`trunkline fault`: a recorded stream once more, causes learnt from history and what is decided of them."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from station.commands.context import FAILED, OK, USAGE, complain, say, show, with_store
from station.config import StationSettings
from station.security.text import printable
from station.state import State

if TYPE_CHECKING:
    from fault.learning.graph import Learnt
    from inventory.topology import Topology

INCIDENT_COLUMNS = ("incident", "first_s", "root_s", "root", "alarms", "confidence", "noise", "revisions")
CAUSE_COLUMNS = ("cause", "effect", "state", "share", "hops", "within_s", "lags_s", "decided_by")


def replay(config: Path | None, data: Path | None, file: Path, topology: Path | None, as_json: bool) -> int:
    """Replay a file; the station's own topology where its events need one and a station is there."""
    from inventory.topology import Topology

    if data is None and config is None:
        return asyncio.run(_replay(file, topology, Topology(), as_json))

    async def act(_settings: StationSettings, _folder: Path, state: State) -> int:
        from inventory.picture import Picture
        from station.hub import Hub

        return await _replay(file, topology, await Picture(state, Hub()).reload(), as_json)

    return with_store(config, data, act)


async def _replay(file: Path, drawn: Path | None, topology: "Topology", as_json: bool) -> int:
    from fault.replay import ReplayError, replay

    try:
        with tempfile.TemporaryDirectory() as folder:
            lines = sys.stdin if str(file) == "-" else file.open(encoding="utf-8")
            found = await replay(lines, topology, Path(folder), drawn)
    except (ReplayError, OSError, UnicodeDecodeError) as error:
        complain(f"{file}: {error}")
        return USAGE
    show(found.shown(), INCIDENT_COLUMNS, as_json)
    return OK


def learn(config: Path | None, data: Path | None, file: Path | None, topology: Path | None, days: int, as_json: bool) -> int:
    """Propose causes from a file, or from the station's own history of the last days."""
    from fault.learning.events import HistoryError, read_csv
    from fault.learning.graph import learn

    if file is not None:
        try:
            return _tell(learn(read_csv(file, topology)), as_json)
        except (HistoryError, OSError) as error:
            complain(str(error))
            return USAGE

    async def act(_settings: StationSettings, _folder: Path, state: State) -> int:
        from fault.learning.decisions import Causes
        from inventory.picture import Picture
        from station.clock import SystemClock
        from station.hub import Hub

        pictured = await Picture(state, Hub()).reload()
        try:
            return _tell(await Causes(state, SystemClock()).propose(pictured, days), as_json)
        except HistoryError as error:
            complain(str(error))
            return FAILED

    return with_store(config, data, act)


def causes(config: Path | None, data: Path | None, as_json: bool) -> int:
    """What was learnt and what was decided of it."""

    async def act(_settings: StationSettings, _folder: Path, state: State) -> int:
        from fault.learning.api import edge_json
        from fault.learning.store import edges
        from station.scope import STATION

        async with state.read() as conn:
            found = [edge_json(row) for row in await edges(conn, STATION.tenant)]
        show([each | {"lags_s": each["evidence"]["lags_s"]} for each in found], CAUSE_COLUMNS, as_json)
        return OK

    return with_store(config, data, act)


def decide(config: Path | None, data: Path | None, wanted: str, edge: tuple[str, str], reason: str) -> int:
    """Accept or reject a learnt cause; a running station reads it within seconds."""
    from fault.learning.decisions import STATES, Causes, LoopError

    if wanted not in STATES:
        complain(f"{wanted!r} is none of {', '.join(STATES)}")
        return USAGE

    async def act(_settings: StationSettings, _folder: Path, state: State) -> int:
        from station.clock import SystemClock
        from station.scope import STATION

        try:
            row = await Causes(state, SystemClock()).decide(STATION, *edge, wanted, reason)
        except LoopError as error:
            complain(f"with what is accepted already it would make a loop: {error}")
            return FAILED
        if row is None:
            complain(f"no such learnt cause: {edge[0]} > {edge[1]}")
        return FAILED if row is None else OK

    return with_store(config, data, act)


def _tell(found: "Learnt", as_json: bool) -> int:
    if as_json:
        edges = [asdict(edge) for edge in found.edges]
        matrix = found.matrix().astype(int).tolist()
        say(
            json.dumps(
                {"kinds": found.kinds, "edges": edges, "matrix": matrix, "lag_s": found.lag_s, "events": found.events, "cut": found.cut}
            )
        )
    else:
        say("\n".join(_lines(found)))
    return OK if found.events else FAILED


def _lines(found: "Learnt") -> Iterator[str]:
    yield f"{found.events} alarms of {len(found.kinds)} classes, {found.cut} older ones left out; mean lag {found.lag_s:g} s"
    for edge in found.edges:
        lags = ", ".join(f"{each:g}" for each in edge.lags_s)
        reach = ", ".join(f"{hop} links: {n:g}" for hop, n in enumerate(edge.explained))
        yield f"{printable(edge.cause)} -> {printable(edge.effect)}  score {edge.score:g}; {edge.causes} causes, {edge.effects} effects"
        yield f"    explains {reach}; lag 10/50/90 % {lags} s"
