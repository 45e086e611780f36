"""The flat poll path without a wire: its compiled steps agree with the codec, and each thing wrong has its counter."""

import math
import os
import subprocess
import sys
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.codecs import ber, snmp
from collectors.codecs.ber import DecodeError
from collectors.codecs.snmp import COUNTER32, COUNTER64, GAUGE32, OPAQUE, TIME_TICKS, Message, Pdu, PduType, VarBind, Version
from collectors.datagrams import RECEIVE_SLOT, Datagrams, sockaddr
from collectors.snmp import wire_state as state
from collectors.snmp.client import Limits
from collectors.snmp.plan import DISCONTINUITY, SYS_UPTIME, Answers, Item, Plan, build, samples
from collectors.snmp.sheets import Envelope
from collectors.snmp.wire import Wire, warm
from station.batch import SampleBatch
from station.series import series_of

MS = 1_000_000
COLUMN = (1, 3, 6, 1, 9)
NAME = sockaddr("192.0.2.1", 161)
HEAD = b"\x02\x01\x01\x04\x06public"
DEVICE = 7
warm()
RECEIVED = Datagrams(RECEIVE_SLOT)
FEW = settings(max_examples=10 if os.environ.get("NUMBA_DISABLE_JIT") else 100)


def envelope() -> Envelope:
    return Envelope(Version.V2C, HEAD, b"public")


def plan_of(n: int, *, counter: bool = True) -> Plan:
    """n variables of one interface, with its discontinuity time."""
    items = [Item((*DISCONTINUITY, 1), 0, group=1)]
    items += [Item((*COLUMN, i), series_of(DEVICE, 1, i), counter, group=1) for i in range(1, n + 1)]
    return build(items, varbinds_max=100)


@dataclass
class Bench:
    """One agent on a wire, what it was sent, and a way to answer."""

    plan: Plan
    limits: Limits = field(default_factory=lambda: Limits(retries=1))
    wire: Wire = field(default_factory=lambda: Wire(1))
    received: Datagrams = RECEIVED
    now_ns: int = 1_000 * MS

    def __post_init__(self) -> None:
        self.agent = self.wire.join(NAME, DEVICE, self.limits, self.wire.sheets.add(self.plan, envelope()))

    def begin(self, outstanding: int = 2) -> list[int]:
        """Start a poll; the request-ids that go out."""
        assert self.wire.begin(self.agent, self.now_ns, 30.0, outstanding=outstanding)
        return self.departed()

    def departed(self) -> list[int]:
        ids = [int(self.wire.flight(flight)["id"]) for flight in self.wire.sends]
        self.wire.sent()
        return ids

    def hear(self, *datagrams: bytes, name: bytes = NAME, after_ns: int = MS) -> None:
        self.now_ns += after_ns
        table = self.received
        for i, datagram in enumerate(datagrams):
            at = i * RECEIVE_SLOT
            table.payload[at : at + len(datagram)] = np.frombuffer(datagram, np.uint8)
            table.headers[16 * i + 14] = len(datagram)
            table.names[i * state.NAME : i * state.NAME + len(name)] = np.frombuffer(name, np.uint8)
        read = self.wire.arrived((table.payload, table.slot, table.headers, table.names), 0, len(datagrams), self.now_ns, 10**18)
        assert read == len(datagrams)

    def counter(self, which: int) -> int:
        return int(self.wire.counters[which])


def answer(request_id: int, varbinds: tuple[VarBind, ...], status: int = 0, community: bytes = b"public", version: int = 1) -> bytes:
    return snmp.encode(Message(Version(version), community, Pdu(PduType.RESPONSE, request_id, status, 0, varbinds)))


def told(plan: Plan, *values: VarBind) -> tuple[VarBind, ...]:
    head = (VarBind(SYS_UPTIME, TIME_TICKS, 4711), VarBind((*DISCONTINUITY, 1), TIME_TICKS, 12))
    return (*head, *values)


def cells(n: int, value: int = 1) -> tuple[VarBind, ...]:
    return tuple(VarBind((*COLUMN, i), COUNTER64, value + i) for i in range(1, n + 1))


def rows(batch: SampleBatch) -> list[tuple[object, ...]]:
    """What a batch says, its values to 12 digits."""
    value = ["nan" if math.isnan(v) else f"{v + 0.0:.12g}" for v in batch.value.tolist()]
    columns = (batch.raw, batch.uptime_cs, batch.discontinuity_cs, batch.width)
    return sorted(zip(batch.series.tolist(), value, *(column.tolist() for column in columns), strict=True))


def plainly(plan: Plan, varbinds: tuple[VarBind, ...]) -> SampleBatch:
    answers = Answers.blank(plan)
    answers.put(0, varbinds, 10**18)
    return samples(plan, answers)


def varbinds_of(message: bytes) -> tuple[VarBind, ...]:
    pdu = snmp.decode(message).pdu
    assert isinstance(pdu, Pdu)
    return pdu.varbinds


numbers = st.one_of(
    st.builds(lambda v: (COUNTER64, v), st.integers(0, 2**64 - 1)),
    st.builds(lambda v: (COUNTER32, v), st.integers(0, 2**32 - 1)),
    st.builds(lambda v: (GAUGE32, v), st.integers(0, 2**32 - 1)),
    st.builds(lambda v: (ber.INTEGER, v), st.integers(-(2**63), 2**63 - 1)),
    st.builds(lambda v: (OPAQUE, v), st.floats()),
    st.builds(lambda v: (ber.OCTET_STRING, v), st.from_regex(rb"\s?[-+]?[0-9]{0,12}\.?[0-9]{0,3}[ %CdBm\xc2\0]?.{0,3}", fullmatch=True)),
    st.builds(lambda v: (ber.OCTET_STRING, v), st.binary(max_size=40)),
    st.builds(lambda v: (ber.OBJECT_IDENTIFIER, v), st.just((1, 3, 6))),
    st.sampled_from([(snmp.IP_ADDRESS, "192.0.2.1"), (ber.NULL, None), (0x80, None), (0x81, None), (0x82, None)]),
)


@FEW
@given(st.lists(numbers, min_size=1, max_size=12), st.booleans())
def test_the_compiled_reader_tells_what_the_codec_tells(values: list[tuple[int, snmp.Value]], counter: bool) -> None:
    plan = plan_of(len(values), counter=counter)
    if counter:  # a counter is an integer: what is told otherwise is none
        values = [(tag, value) for tag, value in values if not isinstance(value, float | bytes)] or [(COUNTER32, 1)]
        plan = plan_of(len(values))
    varbinds = told(plan, *(VarBind((*COLUMN, i), tag, value) for i, (tag, value) in enumerate(values, 1)))
    bench = Bench(plan)
    (request_id,) = bench.begin()
    bench.hear(answer(request_id, varbinds))
    assert rows(bench.wire.batch()) == rows(plainly(plan, varbinds_of(answer(1, varbinds))))
    assert [ended.reason for ended in bench.wire.ended()] == [""]


@given(st.integers(0, 400), st.binary(min_size=1, max_size=9))
def test_no_bent_answer_gives_what_the_codec_refuses(at: int, octets: bytes) -> None:
    plan = plan_of(6)
    bench = Bench(plan)
    (request_id,) = bench.begin()
    data = bytearray(answer(request_id, told(plan, *cells(6, 2**40))))
    data[at % len(data) : at % len(data) + len(octets)] = octets
    bench.hear(bytes(data))
    found = rows(bench.wire.batch())
    try:
        varbinds = varbinds_of(bytes(data))
        expected = rows(plainly(plan, varbinds)) if tuple(v.oid for v in varbinds) == plan.oids else []
    except DecodeError:
        expected = []
    assert found in ([], expected)


@given(st.binary(max_size=300))
def test_any_bytes_are_counted_and_forgotten(data: bytes) -> None:
    bench = Bench(plan_of(3))
    bench.begin()
    bench.hear(data)
    refused = (state.BAD, state.FOREIGN_ID, state.VERSION, state.COMMUNITY)
    assert sum(map(bench.counter, refused)) == 1 and bench.wire.flying == 1


def test_each_wrong_answer_has_its_reason_and_the_right_one_still_counts() -> None:
    bench = Bench(plan_of(3))
    (request_id,) = bench.begin()
    varbinds = told(bench.plan, *cells(3))
    good = answer(request_id, varbinds)
    bench.hear(
        answer(request_id ^ 1 << 20, varbinds), answer(request_id, varbinds, community=b"other"), answer(request_id, varbinds, version=0)
    )
    bench.hear(good[:-1], b"\x30\x82")
    bench.hear(good, name=sockaddr("192.0.2.2", 161))
    bench.hear(good, name=sockaddr("192.0.2.1", 162))
    assert bench.wire.flying == 1 and not len(bench.wire.batch())
    bench.hear(good, good)
    assert len(bench.wire.batch()) == 3
    reasons = (state.FOREIGN_ID, state.COMMUNITY, state.VERSION, state.BAD, state.FOREIGN_ADDRESS, state.LATE, state.REPLIES)
    assert [bench.counter(reason) for reason in reasons] == [1, 1, 1, 2, 2, 1, 1]


@pytest.mark.parametrize(
    ("varbinds", "status", "what", "detail"),
    [
        (cells(3), 5, state.ERROR_STATUS, 5),
        ((), 1, state.ERROR_STATUS, 1),
        ((), 0, state.MISMATCH, 0),
        (cells(2), 0, state.MISMATCH, 0),
        (cells(4), 0, state.MISMATCH, 0),
        (tuple(reversed(cells(3))), 0, state.MISMATCH, 0),
    ],
    ids=["genErr", "tooBig", "empty", "one less", "one more", "another order"],
)
def test_an_odd_answer_is_told_and_its_poll_goes_on(varbinds: tuple[VarBind, ...], status: int, what: int, detail: int) -> None:
    bench = Bench(plan_of(3))
    (request_id,) = bench.begin()
    bench.hear(answer(request_id, told(bench.plan, *varbinds) if varbinds else (), status))
    assert [(row["what"], row["detail"]) for row in bench.wire.events()] == [(what, detail)]
    assert [ended.reason for ended in bench.wire.ended()] == [""] and not len(bench.wire.batch())


@pytest.mark.parametrize(
    "octets", ["46080fffffffffffffff", "4609ffffffffffffffffff", "46090100000000000000 00", "4108ffffffff80000000", "4105ff80000000"]
)
def test_strange_lengths_of_counters_are_read_as_the_codec_reads_them(octets: str) -> None:
    plan = plan_of(1)
    bench = Bench(plan)
    (request_id,) = bench.begin()
    content = bytes.fromhex(octets.replace(" ", ""))
    cell = ber.sequence((ber.encode_oid((*COLUMN, 1)), content))
    head = b"".join(map(snmp.encode_varbind, told(plan)))
    pdu = ber.tlv(0xA2, b"\x02\x04" + request_id.to_bytes(4) + b"\x02\x01\0\x02\x01\0" + ber.tlv(0x30, head + cell))
    bench.hear(ber.tlv(0x30, HEAD + pdu))
    try:
        expected = [ber.unsigned(content, 2, len(content), 64 if content[0] == COUNTER64 else 32)]
    except DecodeError:
        expected = []
    assert bench.wire.batch().raw.tolist() == expected


def test_at_most_the_allowed_requests_are_outstanding_and_the_next_follows_an_answer() -> None:
    items = [Item((*COLUMN, i), series_of(DEVICE, 1, i), group=i) for i in range(1, 6)]
    plan = build(items, varbinds_max=2)
    bench = Bench(plan)
    asked = bench.begin()
    assert len(asked) == 2 == bench.wire.flying
    for n in range(len(plan.requests)):
        request = plan.requests[n]
        bench.hear(answer(asked[n], (VarBind(SYS_UPTIME, TIME_TICKS, 1), VarBind(request.oids[1], GAUGE32, n))))
        asked += bench.departed()
        assert bench.wire.flying <= 2
    assert len(bench.wire.batch()) == 5 and [ended.answers for ended in bench.wire.ended()] == [5]


def test_a_lost_request_is_asked_again_with_a_new_id_and_more_patience() -> None:
    bench = Bench(plan_of(2))
    (first,) = bench.begin()
    bench.now_ns += int(bench.limits.timeout_s * 1000) * MS
    assert bench.wire.expire(bench.now_ns - 1) == 0 and bench.wire.expire(bench.now_ns) == 1
    (second,) = bench.departed()
    assert second != first
    bench.hear(answer(first, told(bench.plan, *cells(2))))
    assert bench.counter(state.LATE) == 1 and not len(bench.wire.batch())
    assert bench.wire.expire(bench.now_ns + int(bench.limits.timeout_s * 1000) * MS) == 0
    bench.hear(answer(second, told(bench.plan, *cells(2))))
    assert len(bench.wire.batch()) == 2


def test_silence_ends_the_poll_after_its_retries_and_an_endless_one_at_its_deadline() -> None:
    bench = Bench(plan_of(2))
    bench.begin()
    for _ in range(2):
        bench.now_ns += 10_000 * MS
        bench.wire.expire(bench.now_ns)
    (ended,) = bench.wire.ended()
    assert (ended.reason, ended.answers, ended.timeouts, bench.wire.flying) == ("timeout", 0, 2, 0)
    bench.begin()
    bench.wire.expire(bench.now_ns + 30_000 * MS)
    assert [ended.reason for ended in bench.wire.ended()] == ["deadline"]


def test_an_agent_whose_answers_come_ever_later_is_asked_for_one_thing_at_a_time() -> None:
    plan = build([Item((*COLUMN, i), series_of(DEVICE, 1, i), group=i) for i in range(1, 100)], varbinds_max=2)
    bench = Bench(plan)
    asked, most = bench.begin(), []
    for n in range(len(plan.requests)):
        request = plan.requests[n]
        late_ns = 5 * MS if n < 10 or n > 40 else 200 * MS
        bench.hear(answer(asked[n], (VarBind(SYS_UPTIME, TIME_TICKS, 1), VarBind(request.oids[1], GAUGE32, n))), after_ns=late_ns)
        asked += bench.departed()
        most.append(bench.wire.flying)
    assert (most[5], most[38], most[80]) == (2, 1, 2)


def test_equal_questions_of_many_agents_are_kept_once_and_holes_are_tidied() -> None:
    wire = Wire(1)
    first = wire.sheets.add(plan_of(5), envelope())
    size = wire.sheets._octets.used
    assert wire.sheets.add(plan_of(5), envelope()) is first and wire.sheets._octets.used == size
    other = wire.sheets.add(plan_of(6), envelope())
    wire.sheets.drop(first)
    assert len(wire.sheets) == 2
    wire.sheets.drop(first)
    wire.sheets._tidy()
    assert len(wire.sheets) == 1 and wire.sheets._octets.used == len(other.octets)


@pytest.mark.slow
def test_the_steps_run_the_same_without_a_compiler() -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        __file__,
        "-k",
        "wrong or odd or strange or tells",
    ]
    done = subprocess.run(command, env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
