"""NetFlow v5 and v9 (RFC 3954), IPFIX (RFC 7011) and sFlow v5 on one port: datagrams in, columns of flows out, no I/O.

Nothing in a datagram raises: what is malformed, unknown or too much is counted in `counts` by reason. Templates belong
to one exporter and domain, are kept for a lifetime and are limited in number. A set that is wrong costs itself, and not
the other sets of its datagram.
"""

import struct
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from collectors.codecs import flow_frames, sflow
from collectors.codecs.ber import DecodeError
from collectors.codecs.flow_options import Told
from collectors.codecs.flow_templates import Field, Template, fields_of, joined
from station.series import Array

TEMPLATES_MAX: Final = 1_024  # per exporter
EXPORTERS_MAX: Final = 4_096
DOMAINS_MAX: Final = 256  # per exporter
TEMPLATE_LIFETIME_NS: Final = 5_400 * 1_000_000_000  # RFC 7011, 8.4: three times the refresh, which routers set to 30 minutes at most
GAP_MAX: Final = 1 << 20  # a larger step of the sequence is a restart, not a loss
SAME_STEPS: Final = 3  # so often a v9 sequence grows by the records of the datagram before, until it is taken to count them
_V5_HEADER = struct.Struct(">HHIIIIBBH")
# The record of NetFlow v5 as a template would say it; 210: octets without meaning.
_V5_FIELDS: Final = tuple(
    Field(element, length)
    for element, length in (
        (8, 4), (12, 4), (15, 4), (10, 2), (14, 2), (2, 4), (1, 4), (22, 4), (21, 4), (7, 2), (11, 2), (210, 1), (6, 1), (4, 1), (5, 1),
        (16, 2), (17, 2), (9, 1), (13, 1), (210, 2),
    )
)  # fmt: skip


@dataclass(slots=True)
class Domain:
    """One observation domain: where its sequence stands and how it samples."""

    expected: int = -1
    last: int = -1
    counts_itself: bool = False
    rows: int = 0
    grew_by_rows: int = 0
    told: Told = field(default_factory=Told)
    v5: Template | None = None

    def gap(self, sequence: int, step: int) -> int:
        """How much is missing before this datagram, which moves the sequence by `step`; 0 at the start and after a restart."""
        ahead = (sequence - self.expected) & 0xFFFF_FFFF if self.expected >= 0 else 0
        if ahead >> 31:  # late or doubled: the sequence stays where it is
            if (self.expected - sequence) & 0xFFFF_FFFF > GAP_MAX:
                self.expected = (sequence + step) & 0xFFFF_FFFF
            return 0
        self.expected = (sequence + step) & 0xFFFF_FFFF
        return ahead if ahead <= GAP_MAX else 0

    def before(self, sequence: int, rows: int) -> int:
        """How many records an IPFIX exporter had sent before this message, which is what RFC 7011, 3.1 calls its sequence number.

        softflowd counts the message's own records too, and of all only the flows; it shows when the number grew by these.
        """
        grown = (sequence - self.last) & 0xFFFF_FFFF if self.last >= 0 else 0
        if not self.counts_itself and sequence != self.expected and grown == rows > 0:
            self.counts_itself, self.expected = True, self.last
        self.last = sequence
        return (sequence - rows) & 0xFFFF_FFFF if self.counts_itself else sequence

    def step(self, sequence: int, rows: int) -> int:
        """By how much a v9 datagram of `rows` records moves the sequence: 1 (RFC 3954, 5.1), or its records if an exporter counts them."""
        grown = (sequence - self.last) & 0xFFFF_FFFF if self.last >= 0 else 0
        if grown == 1:
            self.grew_by_rows = 0
        elif self.rows > 1 and grown == self.rows:
            self.grew_by_rows += 1
        self.last, self.rows = sequence, rows
        return rows if self.grew_by_rows >= SAME_STEPS else 1


@dataclass(slots=True)
class Exporter:
    """What is known of one sender."""

    no: int
    templates: dict[tuple[int, int, int], Template] = field(default_factory=dict)  # by version, domain, id
    domains: dict[tuple[int, int], Domain] = field(default_factory=dict)  # by version, domain


@dataclass(slots=True)
class _Pending:
    """Records that wait to be read together."""

    domain: Domain
    parts: list[bytes] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)


class FlowDecoder:
    """All exporters of one input. `feed` takes datagrams, `take` gives the flows since; `lost`, `refused` count by exporter's address."""

    def __init__(self, *, lifetime_ns: int = TEMPLATE_LIFETIME_NS) -> None:
        self.counts: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()  # datagrams and sets, by exporter
        self.addresses: dict[int, str] = {}
        self._lifetime_ns = lifetime_ns
        self._exporters: OrderedDict[str, Exporter] = OrderedDict()
        self._next = 1
        self._pending: dict[Template, _Pending] = {}
        self._done: list[Array] = []

    def exporter(self, source: str) -> Exporter:
        """The exporter of this address, made when new; the longest silent is forgotten beyond the limit."""
        found = self._exporters.get(source)
        if found is None:
            found = self._exporters[source] = Exporter(self._next)
            self.addresses[self._next] = source
            self._next += 1
            if len(self._exporters) > EXPORTERS_MAX:
                self.counts["exporter_forgotten"] += 1
                gone, forgotten = self._exporters.popitem(last=False)
                self.lost.pop(gone, None)
                self.refused.pop(gone, None)
                self.addresses.pop(forgotten.no, None)
        self._exporters.move_to_end(source)
        return found

    def interface_names(self) -> dict[tuple[int, int], str]:
        """Names that exporters gave their interfaces, by (exporter number, ifIndex)."""
        found: dict[tuple[int, int], str] = {}
        for exporter in self._exporters.values():
            for domain in exporter.domains.values():
                found.update({(exporter.no, interface): name for interface, name in domain.told.names.items()})
        return found

    def rates(self, source: str) -> list[int]:
        """The sampling rates that an exporter's options and headers have named, each once."""
        exporter = self._exporters.get(source)
        told = [domain.told for domain in exporter.domains.values()] if exporter else []
        return sorted({rate for one in told for rate in (one.sampling, *one.samplers.values(), *one.interfaces.values()) if rate})

    def feed(self, payload: bytes, source: str, now_ns: int) -> None:
        """Take one datagram; its flows come with the next `take`."""
        version = int.from_bytes(payload[:2])
        try:
            if version == 5:
                self._v5(payload, source, now_ns)
            elif version == 9:
                self._v9(payload, source, now_ns)
            elif version == 10:
                self._ipfix(payload, source, now_ns)
            elif version == 0:  # sFlow's version has four octets
                self._sflow(payload, source, now_ns)
            else:
                raise DecodeError("version")
        except DecodeError as error:
            self._refuse(source, str(error))

    def _refuse(self, source: str, why: str) -> None:
        self.counts[why.replace(" ", "_")] += 1
        if source in self._exporters:
            self.refused[source] += 1

    def take(self) -> Array:
        """The flows of everything fed since the last call, as `flow.FLOW` rows."""
        for template, pending in self._pending.items():
            self._done.append(self._read(template, pending))
        self._pending = {}
        done, self._done = self._done, []
        flows = joined(done)
        flows["sampling"][flows["sampling"] == 0] = 1
        self.counts["flows"] += len(flows) - int(flows["backward"].sum())
        return flows

    def _read(self, template: Template, pending: _Pending) -> Array:
        records, n = b"".join(pending.parts), sum(pending.rows)
        flows = template.flows(records, n)
        flows["time_ns"] = np.repeat(np.array(pending.times, np.int64), pending.rows)
        self._sample(template, pending.domain.told, records, flows)
        return np.concatenate((flows, template.backward(records, flows))) if template.reverse else flows

    def _sample(self, template: Template, told: Told, records: bytes, flows: Array) -> None:
        """Fill in how the records were sampled where they do not say it themselves."""
        silent = flows["sampling"] == 0
        samplers = template.samplers(records, len(flows))
        if samplers is not None:
            for sampler in np.unique(samplers[silent]):
                flows["sampling"][silent & (samplers == sampler)] = told.samplers.get(int(sampler), told.sampling)
            return
        if told.sampling:
            flows["sampling"][silent] = told.sampling
        if told.interfaces:
            for interface in np.unique(flows["in_if"][silent]):
                flows["sampling"][silent & (flows["in_if"] == interface)] = told.interfaces.get(int(interface), told.sampling)

    def _v5(self, payload: bytes, source: str, now_ns: int) -> None:
        if len(payload) < _V5_HEADER.size:
            raise DecodeError("truncated")
        _, said, _, _, _, sequence, engine_type, engine, sampling = _V5_HEADER.unpack_from(payload)
        size = sum(one.length for one in _V5_FIELDS)
        count = min(said, (len(payload) - _V5_HEADER.size) // size)
        if said == 0 or count < said:
            self.counts["truncated"] += 1
        if count == 0:
            return
        end = _V5_HEADER.size + count * size
        exporter, key = self.exporter(source), (5, engine_type << 8 | engine)
        self._sequence(exporter, source, key, sequence, said)
        domain = self._domain(exporter, key)
        domain.told.sampling = sampling & 0x3FFF  # the two bits above are the mode
        if domain.v5 is None:
            domain.v5 = Template(exporter.no, key[1], _V5_FIELDS)
        self._wait(domain.v5, domain, payload[_V5_HEADER.size : end], count, now_ns)

    def _sflow(self, payload: bytes, source: str, now_ns: int) -> None:
        sub_agent, sequence, rows = sflow.decode(payload, self.counts)
        exporter = self.exporter(source)
        self._sequence(exporter, source, (0, sub_agent), sequence, 1)
        if rows:
            self._done.append(sflow.columns(rows, exporter=exporter.no, domain=sub_agent, now_ns=now_ns))

    def _v9(self, payload: bytes, source: str, now_ns: int) -> None:
        if len(payload) < 20:
            raise DecodeError("truncated")
        sequence, number = struct.unpack_from(">II", payload, 12)
        exporter = self.exporter(source)
        domain = self._domain(exporter, (9, number))
        rows, options = -1, 0
        try:
            rows, options = self._sets(exporter, (9, number), payload, 20, len(payload), now_ns)
        finally:
            self.lost[source] += domain.gap(sequence, domain.step(sequence, rows + options))

    def _ipfix(self, payload: bytes, source: str, now_ns: int) -> None:
        if len(payload) < 16:
            raise DecodeError("truncated")
        length, _, sequence, number = struct.unpack_from(">HIII", payload, 2)
        if length > len(payload) or length < 16:
            raise DecodeError("truncated")
        exporter, key = self.exporter(source), (10, number)
        rows, options = -1, 0
        try:
            rows, options = self._sets(exporter, key, payload, 16, length, now_ns)
        finally:
            domain = self._domain(exporter, key)
            if rows < 0:  # records that no template explains: how far the sequence moves is not known
                domain.expected = domain.last = -1
            else:
                before = domain.before(sequence, rows)
                self.lost[source] += domain.gap(before, rows if domain.counts_itself else rows + options)

    def _sets(self, exporter: Exporter, key: tuple[int, int], payload: bytes, at: int, end: int, now_ns: int) -> tuple[int, int]:
        """How many flows and how many options records were in the sets; -1 flows when that cannot be known."""
        rows, options, unknown = 0, 0, False
        while end - at >= 4:
            identifier, length = struct.unpack_from(">HH", payload, at)
            if length < 4 or at + length > end:
                raise DecodeError("set length")
            try:
                n, of_options = self._set(exporter, (*key, identifier), payload[at + 4 : at + length], now_ns)
            except DecodeError as error:
                self._refuse(self.addresses[exporter.no], str(error))
                n, of_options = (-1, 0) if identifier >= 256 else (0, 0)
            rows, options, unknown = rows + n, options + of_options, unknown or n < 0
            at += length
        return (-1 if unknown else rows), options

    def _set(self, exporter: Exporter, key: tuple[int, int, int], body: bytes, now_ns: int) -> tuple[int, int]:
        """One set; (flows, options records), (-1, 0) without its template. Raises DecodeError."""
        if key[2] >= 256:
            return self._data(exporter, key, body, now_ns)
        if key[2] in (0, 2):
            self._templates(exporter, key[:2], body, now_ns)
        elif key[2] in (1, 3):
            self._options(exporter, key[:2], body, now_ns)
        else:
            self.counts["reserved_set"] += 1
        return 0, 0

    def _data(self, exporter: Exporter, key: tuple[int, int, int], body: bytes, now_ns: int) -> tuple[int, int]:
        """(flows, options records) of a data set, (-1, 0) without its template."""
        template = exporter.templates.get(key)
        if template is None or now_ns - template.seen_ns > self._lifetime_ns:
            exporter.templates.pop(key, None)
            self._refuse(self.addresses[exporter.no], "no template")
            return -1, 0
        if template.scopes:
            told, found = self._domain(exporter, key[:2]).told, template.rows(body)
            for row in found:
                told.learn(key[0], template, row)
            return 0, len(found)
        if template.frames:
            rows = flow_frames.rows(template, body, self._domain(exporter, key[:2]).told)
            if rows:
                self._done.append(sflow.columns(rows, exporter=exporter.no, domain=key[1], now_ns=now_ns))
            return len(rows), 0
        records, n = template.fixed(body)
        if n:
            self._wait(template, self._domain(exporter, key[:2]), records, n, now_ns)
        return n, 0

    def _wait(self, template: Template, domain: Domain, records: bytes, n: int, now_ns: int) -> None:
        """Keep `n` records until they are read with the others of their template."""
        pending = self._pending.get(template)
        if pending is None:
            pending = self._pending[template] = _Pending(domain)
        pending.parts.append(records)
        pending.rows.append(n)
        pending.times.append(now_ns)

    def _templates(self, exporter: Exporter, key: tuple[int, int], body: bytes, now_ns: int) -> None:
        at = 0
        while len(body) - at >= 4:
            identifier, count = struct.unpack_from(">HH", body, at)
            if identifier < 256 and count == 0 and identifier not in (2, 3):
                return  # padding
            fields, at = fields_of(body, at + 4, count, enterprises=key[0] == 10)
            self._keep(exporter, (*key, identifier), fields, 0, now_ns)

    def _options(self, exporter: Exporter, key: tuple[int, int], body: bytes, now_ns: int) -> None:
        at = 0
        while len(body) - at >= 6:
            identifier, first, second = struct.unpack_from(">HHH", body, at)
            if key[0] == 9:  # RFC 3954, 6.1: lengths in octets, of the scope and of the options
                count, scopes, header = (first + second) // 4, first // 4, 6
            elif first == 0:  # RFC 7011, 8.1: withdrawn
                count, scopes, header = 0, 0, 4
            else:
                count, scopes, header = first, second, 6
            if identifier < 256 and count == 0 and identifier not in (2, 3):
                return
            if scopes > count or (count and not scopes):
                raise DecodeError("options template")
            fields, at = fields_of(body, at + header, count, enterprises=key[0] == 10)
            self._keep(exporter, (*key, identifier), fields, scopes, now_ns)

    def _keep(self, exporter: Exporter, key: tuple[int, int, int], fields: tuple[Field, ...], scopes: int, now_ns: int) -> None:
        """Take a template, or withdraw it when it has no fields (all of them under the id of their set)."""
        if not fields:
            gone = [one for one in exporter.templates if one == key or (key[2] in (2, 3) and one[:2] == key[:2])]
            for one in gone:
                del exporter.templates[one]
            return
        if key[2] < 256:
            raise DecodeError("template id")
        known = exporter.templates.get(key)
        if known is not None and known.fields == fields and known.scopes == scopes:
            known.seen_ns = now_ns
            return
        if known is None and len(exporter.templates) >= TEMPLATES_MAX and not self._expired(exporter, now_ns):
            raise DecodeError("too many templates")
        made = Template(exporter.no, key[1], fields, scopes, now_ns)
        made.frames = flow_frames.has_frames(made)
        exporter.templates[key] = made

    def _expired(self, exporter: Exporter, now_ns: int) -> int:
        """How many templates were over their lifetime and are gone now."""
        old = [key for key, template in exporter.templates.items() if now_ns - template.seen_ns > self._lifetime_ns]
        for key in old:
            del exporter.templates[key]
        return len(old)

    def _domain(self, exporter: Exporter, key: tuple[int, int]) -> Domain:
        found = exporter.domains.get(key)
        if found is None:
            if len(exporter.domains) >= DOMAINS_MAX:
                raise DecodeError("too many domains")
            found = exporter.domains[key] = Domain()
        return found

    def _sequence(self, exporter: Exporter, source: str, key: tuple[int, int], sequence: int, step: int) -> None:
        gap = self._domain(exporter, key).gap(sequence, step)
        if gap:
            self.lost[source] += gap
