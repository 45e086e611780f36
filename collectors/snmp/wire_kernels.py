"""Compiled steps of the flat poll path over the tables of `wire_state`: pure but for these, and time is an argument.

`begin` and `abort` a poll, `arrived` reads a batch of datagrams into finished sample rows, `expire` retries or
gives up, `pack` writes what is to be sent. None of them makes a Python object; all run without the GIL.
Tables travel in tuples: `wire` (agents, flights, free, sends, done, counters), `sheets` (arena, questions, slots),
`out` (time, series, value, raw, uptime, discontinuity, width, kept, events), `scratch`
(raw, value, kind of the variables of one answer).
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from collectors.codecs.octet_kernels import copy
from collectors.codecs.snmp_kernels import FLOATING, INTEGER_32, INTEGER_64, OCTETS, Int, compiled
from collectors.snmp import seal_kernels
from collectors.snmp.answer_kernels import SCRATCH, SHEETS, message, read, table
from collectors.snmp.wire_state import (
    ABSENT,
    AGENT,
    BAD,
    COMMUNITY,
    COUNTER,
    DEADLINE,
    DONE_N,
    EVENT,
    EVENTS,
    EVENTS_N,
    FINE,
    FLIGHT,
    FLIGHT_BITS,
    FLIGHTS,
    FLYING_N,
    FOREIGN_ADDRESS,
    FOREIGN_ID,
    FREE_AT,
    FREE_N,
    GARBAGE,
    GAUGE,
    GENERATION_FIRST,
    GENERATIONS,
    GUARD,
    IDLE,
    KEPT,
    KEPT_N,
    KEPT_ROW,
    LATE,
    MATCHED,
    NAME,
    POLLING,
    RENAMED,
    REPLIES,
    RESTARTED,
    RETRIES,
    ROWS,
    ROWS_N,
    SEALED,
    SENDS_N,
    TIMEOUT,
    TIMEOUTS,
    UNLIKE,
    UPTIME_SLACK_CS,
    VARIABLES_MAX,
    VERSION,
)

key, DIGESTS = seal_kernels.key, seal_kernels.DIGESTS  # for `Wire`, which loads this module when it is time
_types: Any = numba.types
Array = npt.NDArray[Any]
Tables = tuple[Array, ...]
_INT, _U8, _I32, _I64 = numba.int64, numba.uint8[::1], numba.int32[::1], numba.int64[::1]
_U64, _F64 = numba.uint64[::1], numba.float64[::1]
_WIRE = _types.Tuple((table(AGENT), table(FLIGHT), _I32, _I32, _I32, _I64))
_OUT = _types.Tuple((_I64, _U64, _F64, _U64, _I64, _I64, _U8, table(KEPT_ROW), table(EVENT)))


@compiled(None, _INT, _INT, _WIRE, inlined=True)
def _depart(flight_no: Int, now_ns: Int, wire: Tables) -> None:
    """Give a flight a new id and its time, and put it on the list of what is to be sent."""
    agents, flights, _, sends, _, counters = wire
    flight = flights[flight_no]
    agent = agents[flight["agent"]]
    flight["generation"] = (flight["generation"] + 1) % GENERATIONS
    flight["id"] = (flight["generation"] + GENERATION_FIRST) << FLIGHT_BITS | flight_no
    wait_ns = agent["first_timeout_ns"]
    if agent["srtt_ns"]:
        wait_ns = max(agent["srtt_ns"] + 4 * agent["var_ns"], agent["least_timeout_ns"])
    flight["sent_ns"] = now_ns
    flight["due_ns"] = now_ns + min(wait_ns << flight["attempt"], agent["most_timeout_ns"])
    sends[counters[SENDS_N]] = flight_no
    counters[SENDS_N] += 1


@compiled(None, _INT, _INT, _WIRE)
def _launch(agent_no: Int, now_ns: Int, wire: Tables) -> None:
    """Ask what this agent's window allows."""
    agents, flights, free, _, _, counters = wire
    agent = agents[agent_no]
    while agent["flying"] < agent["window"] and agent["next"] < agent["asked"] and counters[FREE_N] > 0:
        flight_no = free[counters[FREE_AT]]
        counters[FREE_AT] = (counters[FREE_AT] + 1) % FLIGHTS
        counters[FREE_N] -= 1
        counters[FLYING_N] += 1
        flight = flights[flight_no]
        flight["agent"] = agent_no
        flight["question"] = agent["first"] + agent["next"]
        flight["attempt"] = 0
        agent["next"] += 1
        agent["flying"] += 1
        _depart(flight_no, now_ns, wire)


@compiled(None, _INT, _WIRE, inlined=True)
def _land(flight_no: Int, wire: Tables) -> None:
    """Free a flight; the one freed longest ago is used next, so that late answers are known for long."""
    agents, flights, free, _, _, counters = wire
    flight = flights[flight_no]
    flight["last_id"], flight["last_agent"] = flight["id"], flight["agent"]
    flight["id"] = 0
    agents[flight["agent"]]["flying"] -= 1
    free[(counters[FREE_AT] + counters[FREE_N]) % FLIGHTS] = flight_no
    counters[FREE_N] += 1
    counters[FLYING_N] -= 1


@compiled(None, _INT, _INT, _WIRE)
def _end(agent_no: Int, why: Int, wire: Tables) -> None:
    agents, _, _, _, done, counters = wire
    agents[agent_no]["state"] = IDLE
    agents[agent_no]["why"] = why
    done[counters[DONE_N]] = agent_no
    counters[DONE_N] += 1


@compiled(None, _INT, _INT, _INT, _INT, _INT, _WIRE)
def begin(agent_no: Int, count: Int, outstanding: Int, now_ns: Int, budget_ns: Int, wire: Tables) -> None:
    """Start the poll of an idle agent by its first `count` questions, -1 for all, of which some may be outstanding."""
    agent = wire[0][agent_no]
    count = agent["count"] if count < 0 else count
    agent["window"] = min(max(agent["window"], 1), outstanding)
    if agent["uptime_cs"] >= 0:
        agent["before_cs"] = agent["uptime_cs"]
    agent["restarted"] = 0
    agent["state"], agent["why"] = POLLING, FINE
    agent["next"], agent["asked"], agent["left"] = 0, count, count
    agent["answers"], agent["timeouts"] = 0, 0
    agent["uptime_cs"] = -1
    agent["deadline_ns"] = now_ns + budget_ns
    _launch(agent_no, now_ns, wire)


@compiled(None, _INT, _INT, _WIRE)
def abort(agent_no: Int, why: Int, wire: Tables) -> None:
    """End the poll of this agent; what is in flight is forgotten."""
    agents, flights, _, _, _, _ = wire
    if agents[agent_no]["state"] != POLLING:
        return
    for flight_no in range(FLIGHTS):
        if flights[flight_no]["id"] and flights[flight_no]["agent"] == agent_no:
            _land(flight_no, wire)
    _end(agent_no, why, wire)


@compiled(None, _INT, _INT, _WIRE)
def again(flight_no: Int, now_ns: Int, wire: Tables) -> None:
    """Send a flight anew under a new id without counting an attempt (after a Report)."""
    flight = wire[1][flight_no]
    flight["older_id"], flight["older_agent"] = flight["id"], flight["agent"]
    _depart(flight_no, now_ns, wire)


@compiled(_INT, _INT, _WIRE)
def expire(now_ns: Int, wire: Tables) -> Int:
    """Retry what is overdue, end the polls that had their retries or their time; return how many requests expired.

    A scan of all flights: a few microseconds each tick, less than any wheel costs.
    """
    agents, flights, _, _, _, counters = wire
    expired = 0
    for flight_no in range(FLIGHTS):
        flight = flights[flight_no]
        if flight["id"] == 0:
            continue
        agent_no = flight["agent"]
        agent = agents[agent_no]
        if now_ns >= agent["deadline_ns"]:
            abort(agent_no, DEADLINE, wire)
        elif now_ns >= flight["due_ns"]:
            expired += 1
            counters[TIMEOUTS] += 1
            agent["timeouts"] += 1
            if flight["attempt"] >= agent["retries"]:
                abort(agent_no, TIMEOUT, wire)
                continue
            counters[RETRIES] += 1
            flight["attempt"] += 1
            agent["window"] = 1  # an agent that loses requests is asked for one thing at a time
            flight["older_id"], flight["older_agent"] = flight["id"], agent_no
            _depart(flight_no, now_ns, wire)
    return expired


@compiled(None, _INT, _INT, _WIRE, inlined=True)
def _timed(agent_no: Int, rtt_ns: Int, wire: Tables) -> None:
    """RFC 6298, section 2; and an agent whose answers come much later than at its best is asked one thing at a time."""
    agent = wire[0][agent_no]
    if agent["srtt_ns"] == 0:
        agent["srtt_ns"], agent["var_ns"], agent["base_rtt_ns"] = rtt_ns, rtt_ns // 2, rtt_ns
    else:
        agent["var_ns"] += (abs(agent["srtt_ns"] - rtt_ns) - agent["var_ns"]) // 4
        agent["srtt_ns"] += (rtt_ns - agent["srtt_ns"]) // 8
        agent["base_rtt_ns"] = min(agent["base_rtt_ns"] + (agent["base_rtt_ns"] >> 10), rtt_ns)
    if agent["srtt_ns"] > 4 * agent["base_rtt_ns"] + 20_000_000:
        agent["window"] = 1
    elif agent["window"] < agent["limit"] and rtt_ns < 2 * agent["base_rtt_ns"] + 10_000_000:
        agent["window"] += 1


@compiled(numba.boolean, OCTETS, _INT, table(AGENT), _INT, inlined=True)
def _from(names: Array, i: Int, agents: Array, agent_no: Int) -> Any:
    """Whether the i-th sender is this agent: family, port and address."""
    name = agents[agent_no]["name"]
    at = i * NAME
    first, last = (8, 24) if agents[agent_no]["octets"] == NAME else (4, 8)
    different = np.uint8(0)
    for j in range(4):
        different |= names[at + j] ^ name[j]
    for j in range(first, last):
        different |= names[at + j] ^ name[j]
    return different == 0


@compiled(None, _INT, _INT, _INT, _INT, _OUT, _I64)
def _tell(what: Int, agent_no: Int, question_no: Int, detail: Int, out: Tables, counters: Array) -> None:
    event = out[8][counters[EVENTS_N]]
    event["what"], event["agent"], event["question"], event["detail"] = what, agent_no, question_no, detail
    counters[EVENTS_N] += 1


@compiled(None, _INT, _INT, _INT, SHEETS, _OUT, SCRATCH, _WIRE)
def _write(agent_no: Int, question_no: Int, time_ns: Int, sheets: Tables, out: Tables, scratch: Tables, wire: Tables) -> None:
    """The variables of one answer as sample rows, kept values and events."""
    agents, _, _, _, _, counters = wire
    _, questions, slots = sheets
    times, series, values, raws, uptimes, discontinuities, widths, kept, _ = out
    raw, value, kind = scratch
    question = questions[question_no]
    agent = agents[agent_no]
    uptime = np.int64(raw[0]) if kind[0] == INTEGER_32 else np.int64(-1)
    if uptime >= 0:
        agent["uptime_cs"] = uptime
        if uptime + UPTIME_SLACK_CS < agent["before_cs"]:
            agent["restarted"] = 1
    if agent["restarted"]:
        _tell(RESTARTED, agent_no, question_no, 0, out, counters)
        return
    first, base, n = np.uint64(question["slot"]), np.uint64(agent["base"]), np.uint64(counters[ROWS_N])
    for i in range(np.uint64(question["count"])):  # unsigned numbers need no look whether they count from the end
        if kind[i] >= 0x80:
            _tell(ABSENT, agent_no, question_no, i, out, counters)
            continue
        slot = slots[first + i]
        use = slot["use"]
        if use & GUARD:
            if kind[i] != MATCHED:
                _tell(RENAMED, agent_no, question_no, i, out, counters)
            continue
        guard, other = slot["guard"], slot["discontinuity"]
        if use == 0 or kind[i] == 0 or (guard >= 0 and kind[guard] != MATCHED):
            continue
        width = 64 if kind[i] == INTEGER_64 else 32 if kind[i] == INTEGER_32 else 0
        if use & KEPT:
            row = kept[counters[KEPT_N]]
            row["agent"], row["slot"], row["told"], row["raw"] = agent_no, first + i, value[i], raw[i]
            row["uptime_cs"], row["time_ns"], row["width"] = uptime, time_ns, width
            counters[KEPT_N] += 1
        if use & (GAUGE | COUNTER) == 0 or (use & COUNTER and kind[i] == FLOATING):
            continue
        times[n], series[n], uptimes[n] = time_ns, base | slot["series"], uptime
        values[n] = np.nan if use & COUNTER else value[i]
        raws[n] = raw[i] if use & COUNTER else np.uint64(0)
        widths[n] = width if use & COUNTER else 0
        discontinuities[n] = np.int64(raw[other]) if other >= 0 and kind[other] == INTEGER_32 else np.int64(-1)
        n += np.uint64(1)
    counters[ROWS_N] = n


@compiled(None, OCTETS, _INT, _INT, _INT, _INT, _INT, SHEETS, _OUT, SCRATCH, _WIRE)
def take(
    data: Array,
    start: Int,
    stop: Int,
    flight_no: Int,
    now_ns: Int,
    time_ns: Int,
    sheets: Tables,
    out: Tables,
    scratch: Tables,
    wire: Tables,
) -> None:
    """The answer to a flight: its PDU in data[start:stop] into rows. An odd one is told as an event, to be asked again slowly."""
    agents, flights, _, _, _, counters = wire
    flight = flights[flight_no]
    agent_no, question_no = np.int64(flight["agent"]), np.int64(flight["question"])
    agent = agents[agent_no]
    counters[REPLIES] += 1
    agent["answers"] += 1
    _timed(agent_no, now_ns - flight["sent_ns"], wire)
    _land(flight_no, wire)
    found = read(data, start, stop, question_no, sheets, scratch)
    if found < 0:
        _tell(-found & 0xFF, agent_no, question_no, -found >> 8, out, counters)
    else:
        _write(agent_no, question_no, time_ns, sheets, out, scratch, wire)
    agent["left"] -= 1
    if agent["left"] == 0:
        _end(agent_no, FINE, wire)
    else:
        _launch(agent_no, now_ns, wire)


@compiled(_INT, OCTETS, _INT, _INT, _INT, OCTETS, SHEETS, _OUT, _WIRE)
def _flight_of(data: Array, at: Int, end: Int, i: Int, names: Array, sheets: Tables, out: Tables, wire: Tables) -> Int:
    """The flight that a datagram may answer, -1 where there is none: each reason has its counter."""
    agents, flights, _, _, _, counters = wire
    arena, questions, _ = sheets
    version, request_id, community, community_end, _, _ = message(data, at, end)
    if version < 0:
        counters[BAD] += 1
        _tell(GARBAGE, -1, -1, i, out, counters)
        return -1
    flight_no = request_id & (FLIGHTS - 1)
    flight = flights[flight_no]
    if request_id <= 0 or flight["id"] != request_id:
        last = flight["last_id"] == request_id and _from(names, i, agents, flight["last_agent"])
        late = request_id > 0 and (last or (flight["older_id"] == request_id and _from(names, i, agents, flight["older_agent"])))
        counters[LATE if late else FOREIGN_ID] += 1
        return -1
    if not _from(names, i, agents, flight["agent"]):
        counters[FOREIGN_ADDRESS] += 1
        return -1
    question = questions[flight["question"]]
    unlike = VERSION if version != question["version"] else 0
    if version != 3 and not unlike:
        first, length = question["at"] + question["community"], community_end - community
        same = length == question["community_octets"]
        for j in range(length if same else 0):
            same = same and data[community + j] == arena[first + j]
        unlike = 0 if same else COMMUNITY
    if unlike:
        counters[unlike] += 1
        _tell(UNLIKE, flight["agent"], flight["question"], unlike, out, counters)
        return -1
    return flight_no


@compiled(_INT, OCTETS, _INT, numba.uint32[::1], OCTETS, _INT, _INT, _INT, _INT, SHEETS, _OUT, SCRATCH, _WIRE, seal_kernels.VAULT)
def arrived(
    data: Array,
    slot_octets: Int,
    headers: Array,
    names: Array,
    first: Int,
    n: Int,
    now_ns: Int,
    time_ns: Int,
    sheets: Tables,
    out: Tables,
    scratch: Tables,
    wire: Tables,
    vault: Tables,
) -> Int:
    """Read datagrams first .. n of a receive table; return where it stopped: n, or sooner when `out` must be emptied first.

    A v3 answer that is not as always is told by an event with its flight and datagram, and is opened outside.
    """
    counters = wire[5]
    for i in range(first, n):
        if (
            counters[ROWS_N] + VARIABLES_MAX > ROWS
            or counters[KEPT_N] + VARIABLES_MAX > len(out[7])
            or counters[EVENTS_N] + VARIABLES_MAX + 2 > EVENTS
        ):
            return i
        at = i * slot_octets
        end = at + np.int64(headers[16 * i + 14])
        flight_no = _flight_of(data, at, end, i, names, sheets, out, wire)
        if flight_no < 0:
            continue
        seal_no = wire[0][wire[1][flight_no]["agent"]]["seal"]
        if seal_no < 0:
            _, _, _, _, pdu, stop = message(data, at, end)
            take(data, pdu, stop, flight_no, now_ns, time_ns, sheets, out, scratch, wire)
            continue
        pdu, stop = np.int64(-1), np.int64(0)
        if vault[0][seal_no]["ready"]:
            pdu, stop = seal_kernels.opened(seal_no, wire[1][flight_no]["id"], now_ns, data, at, end, vault)
        if pdu < 0:
            _tell(SEALED, flight_no, i, 0, out, counters)
        else:
            take(vault[1], pdu, stop, flight_no, now_ns, time_ns, sheets, out, scratch, wire)
    return n


@compiled(None, _U8, _INT, numba.uint32[::1], _U64, _U8, _I32, _INT, _INT, _INT, SHEETS, _WIRE, seal_kernels.VAULT)
def pack(
    payload: Array,
    slot_octets: Int,
    headers: Array,
    iovecs: Array,
    names: Array,
    sends: Array,
    first: Int,
    n: Int,
    now_ns: Int,
    sheets: Tables,
    wire: Tables,
    vault: Tables,
) -> None:
    """Write sends first .. first + n into a send table; of one whose message must be made outside the name only."""
    agents, flights, _, _, _, _ = wire
    arena, questions, _ = sheets
    for i in range(n):
        flight = flights[sends[first + i]]
        question = questions[flight["question"]]
        agent = agents[flight["agent"]]
        copy(names, i * NAME, agent["name"], 0, NAME)
        headers[16 * i + 2] = agent["octets"]
        at, to = question["at"], i * slot_octets
        if agent["seal"] >= 0:
            made = np.int64(0)
            if vault[0][agent["seal"]]["ready"]:
                made = seal_kernels.seal(
                    agent["seal"], flight["id"], now_ns, arena, at, question["octets"], question["id_at"], payload, to, slot_octets, vault
                )
            iovecs[2 * i + 1] = made
            continue
        copy(payload, to, arena, at, question["octets"])
        request_id = flight["id"]
        for j in range(4):
            payload[to + question["id_at"] + j] = np.uint8(request_id >> (8 * (3 - j)) & 0xFF)
        iovecs[2 * i + 1] = question["octets"]
