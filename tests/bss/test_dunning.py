"""Dunning over days: stages by their terms, requests through the outbox to real peers, a payment restores."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from aiosmtpd.controller import Controller
from pyrad.packet import CoANAK, CoAPacket, DisconnectRequest

from billing_bridge.sessions import SessionReport, take
from billing_bridge.settings import BillingSettings
from billing_bridge.store import usage_session
from bss.dunning import api
from bss.dunning.cases import Dunning, end_hold, place_hold, standing_holds
from bss.dunning.fulfilment import FulfilmentError, Letters, Request, Sessions, Ways, Webhook, signature
from bss.dunning.runner import Runner
from bss.dunning.settings import DunningSettings, NasSettings
from bss.dunning.store import dunning_request, dunning_step, service_restriction
from bss.dunning.terms import shipped
from bss.receivables.payments import Payments, Told
from bss.receivables.proposals import Proposals
from bss.receivables.store import money_proposal, receivable
from bss.store import dispute
from collectors.inputs.radius import dictionary
from fault.notify.settings import SmtpSettings
from station.clock import VirtualClock
from station.scope import STATION
from station.security import audit
from station.security.targets import Guard
from station.state import State
from tests.billing_bridge.calling import client
from tests.billing_bridge.metered import CLERK, DAY_NS, add_customer, add_service, at, network
from tests.ports import free_port

START = at("2026-07-01")
SECRET = b"s3cret"


@dataclass
class Noted:
    """A way that writes down what it is asked; `down` says it does not answer."""

    asked: list[Request] = field(default_factory=list)
    down: bool = False

    async def carry_out(self, asked: Request) -> str:
        if self.down:
            raise FulfilmentError("no answer")
        self.asked.append(asked)
        return "noted"

    def acts(self) -> list[tuple[str, str]]:
        return [(one.act, one.service) for one in self.asked]


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    made = State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
    await network(made)
    await add_customer(made, 1, email="accounts@customer.example")
    await add_service(made, 1, "customer-1", "volume", {})
    yield made
    await made.close()


def runner(state: State, way: Any, clock: VirtualClock, *, out: frozenset[str] = frozenset()) -> Runner:
    proposals = Proposals(Payments(state, ZoneInfo("UTC")), 0)
    dunning = Dunning(proposals, "standard", shipped()["standard"], "Trunkline Networks")
    return Runner(state, dunning, way, DunningSettings(policy="standard"), clock, STATION, lambda: out)


async def owed(state: State, number: str = "INV-1", amount_minor: int = 10_000, due_on: str = "2026-06-30") -> None:
    row = {"tenant": 1, "id": f"id-{number}", "kind": "invoice", "number": number, "customer_id": "customer-1", "currency": "EUR"}
    async with state.write() as conn:
        await conn.execute(sa.insert(receivable).values(**row, amount_minor=amount_minor, issued_on="2026-06-01", due_on=due_on))


async def pay(state: State, amount_minor: int = 10_000, reference: str = "bank-1") -> None:
    told = Told(reference, "customer-1", "EUR", amount_minor, "bank_transfer", "2026-08-20")
    await Payments(state, ZoneInfo("UTC")).record(CLERK, told, START)


STAGES = ("2026-07-03", "2026-07-14", "2026-07-21", "2026-07-30", "2026-08-14", "2026-10-28")  # when the standard policy moves


async def lived(running: Runner, clock: VirtualClock, until: str) -> None:
    """A turn on each day that may matter, and on the last."""
    for day in [*(day for day in STAGES if clock.now_ns() <= at(day) < at(until)), until]:
        clock.advance(max(0, at(day) - clock.now_ns()))
        await running.turn()


async def restrictions(state: State) -> dict[str, str]:
    async with state.read() as conn:
        return {row.service_id: row.act for row in await conn.execute(sa.select(service_restriction))}


async def steps(state: State) -> list[str]:
    async with state.read() as conn:
        rows = await conn.execute(sa.select(dunning_step).order_by(dunning_step.c.seq))
        return [f"{row.kind} {row.cause}" for row in rows]


async def test_who_does_not_pay_goes_through_the_stages_and_a_payment_restores_in_the_next_turn(state: State) -> None:
    await owed(state)
    way, clock = Noted(), VirtualClock(START)
    running = runner(state, way, clock)
    await lived(running, clock, "2026-08-19")
    assert [act for act, _ in way.acts()] == ["notice", "notice", "throttle", "walled_garden", "suspend"]
    letter = way.asked[0].body
    assert letter["to"] == "accounts@customer.example" and "100.00 EUR" in letter["text"] and "INV-1" in letter["text"]
    assert await restrictions(state) == {"service-1": "suspend"}
    await pay(state)
    await running.turn()  # the same day: nothing waits for the next look at everybody
    assert way.acts()[-1] == ("restore", "S-1") and await restrictions(state) == {"service-1": ""}
    assert (await steps(state))[-2:] == ["restore paid", "close paid"]
    await running.turn()
    assert len(way.asked) == 6  # nothing twice
    assert running.settings.look_s * 2 + 10 < 60  # two turns and an answer


async def test_every_step_and_answer_has_its_audit_record(state: State) -> None:
    await owed(state)
    clock = VirtualClock(START)
    await lived(runner(state, Noted(), clock), clock, "2026-07-22")
    acts = [row["act"] for row in await audit.rows(state, CLERK)]
    assert {"dunning.enter", "dunning.notice.done", "dunning.throttle.done"} <= set(acts)
    assert await audit.verify(state) is None


async def test_a_disputed_invoice_is_not_dunned_and_another_one_is(state: State) -> None:
    await owed(state)
    clock = VirtualClock(START)
    running = runner(state, Noted(), clock)
    await lived(running, clock, "2026-07-04")
    async with state.write() as conn:
        hold = await place_hold(conn, CLERK, "customer-1", "dispute", "wrong rate", clock.now_ns(), document_id="id-INV-1")
    await running.turn()
    await lived(running, clock, "2026-07-30")
    assert await steps(state) == ["enter reminder", "pause dispute"]
    async with state.write() as conn:
        await end_hold(conn, CLERK, hold, "it was right", clock.now_ns())
    await running.turn()
    assert (await steps(state))[-1] == "resume dispute"
    await owed(state, "INV-2", due_on="2026-07-01")
    async with state.write() as conn:
        await place_hold(conn, CLERK, "customer-1", "dispute", "again", clock.now_ns(), document_id="id-INV-1")
    await lived(running, clock, "2026-08-20")
    assert "enter throttle" in await steps(state)


async def test_a_dispute_of_a_part_of_an_invoice_leaves_the_rest_to_be_paid(state: State) -> None:
    await owed(state)
    way, clock = Noted(), VirtualClock(START)
    running = runner(state, way, clock)
    row = {"tenant": 1, "id": "d-1", "invoice_id": "id-INV-1", "customer_id": "customer-1", "lines": "[]", "currency": "EUR", "reason": "x"}
    row |= {"opened_by": "clerk", "state": "open"}
    async with state.write() as conn:
        await conn.execute(sa.insert(dispute).values(**row, held_minor=9_000, opened_ns=START))
    await lived(running, clock, "2026-07-03")
    assert "10.00 EUR" in way.asked[0].body["text"]
    async with state.write() as conn:
        await conn.execute(sa.update(dispute).values(held_minor=10_000, opened_ns=clock.now_ns() + 1))
    clock.advance(10)
    await running.turn()
    assert (await steps(state))[-1] == "pause dispute"
    async with state.write() as conn:
        await conn.execute(sa.update(dispute).values(state="rejected", decided_ns=clock.now_ns() + 1))
    clock.advance(10)
    await running.turn()
    assert (await steps(state))[-1] == "resume dispute"


async def test_protection_lifts_what_is_in_force_until_it_ends_by_itself(state: State) -> None:
    await owed(state)
    way, clock = Noted(), VirtualClock(START)
    running = runner(state, way, clock)
    await lived(running, clock, "2026-07-21")
    async with state.write() as conn:
        now_ns = clock.now_ns()
        await place_hold(conn, CLERK, "customer-1", "protection", "life support", now_ns, to_ns=now_ns + 5 * DAY_NS)
    await running.turn()
    assert await restrictions(state) == {"service-1": ""}
    clock.advance(5 * DAY_NS + 1)
    await running.turn()
    assert await restrictions(state) == {"service-1": "throttle"} and (await steps(state))[-1] == "resume protection"


async def test_an_outage_of_the_customer_stops_the_next_stage_and_lifts_nothing(state: State) -> None:
    await owed(state)
    clock = VirtualClock(START)
    running = runner(state, Noted(), clock)
    await lived(running, clock, "2026-07-21")
    dark = replace(running, out=lambda: frozenset(("customer-1",)))
    await lived(dark, clock, "2026-08-05")
    assert (await steps(state))[-1] == "pause outage" and await restrictions(state) == {"service-1": "throttle"}
    await running.turn()
    assert (await steps(state))[-1] == "resume outage"


async def test_a_person_takes_a_stage_back_and_the_network_hears_of_it(state: State) -> None:
    await owed(state)
    way, clock = Noted(), VirtualClock(START)
    running = runner(state, way, clock)
    await lived(running, clock, "2026-07-30")
    async with client(CLERK, api.router(state, running.dunning, clock)) as http:
        made = await http.post("/api/v1/dunning/cases/customer-1/reverse", json={"reason": "promised to pay"})
        assert made.json() == {"stage": 3, "standing": "throttle"}
        await running.turn()
        assert way.acts()[-1] == ("throttle", "S-1")
        shown = (await http.get("/api/v1/dunning/restrictions")).json()["items"]
        assert [(one["service"], one["act"]) for one in shown] == [("S-1", "throttle")]
        case = (await http.get("/api/v1/dunning/cases/customer-1")).json()
        assert (case["steps"][0]["kind"], case["steps"][0]["cause"], case["steps"][0]["made_by"]) == ("reverse", "promised to pay", "clerk")
    await lived(running, clock, "2026-08-03")
    assert await restrictions(state) == {"service-1": "throttle"}  # not entered again at once


async def test_a_silent_network_is_asked_again_and_a_payment_overtakes_what_still_waits(state: State) -> None:
    await owed(state)
    way, clock = Noted(), VirtualClock(START)
    running = runner(state, way, clock)
    await lived(running, clock, "2026-07-20")
    way.down = True
    await lived(running, clock, "2026-07-22")
    await pay(state)
    way.down = False
    await running.turn()
    assert way.acts()[-1] == ("restore", "S-1") and ("throttle", "S-1") not in way.acts()
    async with state.read() as conn:
        q = dunning_request.c
        states = [(row.act, row.state) for row in await conn.execute(sa.select(q.act, q.state).where(q.service_id != ""))]
    assert sorted(states) == [("restore", "done"), ("throttle", "superseded")]


async def test_the_last_stage_proposes_a_write_off_once_and_what_is_written_off_restores_nothing(state: State) -> None:
    await owed(state)
    clock = VirtualClock(START)
    running = runner(state, Noted(), clock)
    await lived(running, clock, "2026-11-10")
    async with state.read() as conn:
        proposed = (await conn.execute(sa.select(money_proposal))).mappings().all()
    assert [(row["subject_id"], row["amount_minor"], row["state"]) for row in proposed] == [("id-INV-1", 10_000, "open")]
    assert running.dunning is not None
    await running.dunning.proposals.decide(CLERK, proposed[0]["id"], clock.now_ns(), approve=True)
    await lived(running, clock, "2026-11-20")
    assert await restrictions(state) == {"service-1": "suspend"}


async def test_nothing_is_asked_twice_by_two_stations_and_nobody_reads_anothers_case(state: State) -> None:
    await owed(state)
    way, clock = Noted(), VirtualClock(START + 3 * DAY_NS)
    running = runner(state, way, clock)
    await asyncio.gather(running.turn(), runner(state, Noted(), clock).turn())
    assert await steps(state) == ["enter reminder"]
    other = replace(CLERK, customers=("customer-2",))
    async with client(other, api.router(state, running.dunning, clock)) as http:
        assert (await http.get("/api/v1/dunning/cases/customer-1")).status_code == 404
        assert (await http.get("/api/v1/dunning/cases")).json()["items"] == []
        held = await http.post("/api/v1/accounts/customer-1/holds", json={"kind": "dispute", "reason": "x"})
        assert held.status_code == 404


async def test_a_dispute_is_placed_by_a_documents_number_and_only_by_one_that_is_there(state: State) -> None:
    await owed(state)
    running = runner(state, Noted(), VirtualClock(START))
    async with client(CLERK, api.router(state, running.dunning, VirtualClock(START))) as http:
        for document, status in (("INV-1", 201), ("INV-2", 404)):
            body = {"kind": "dispute", "reason": "x", "document": document}
            assert (await http.post("/api/v1/accounts/customer-1/holds", json=body)).status_code == status
    async with state.read() as conn:
        assert [row["document_id"] for row in await standing_holds(conn, 1, "customer-1", START)] == ["id-INV-1"]


class Nas(asyncio.DatagramProtocol):
    """An access server's dynamic authorisation port, by pyrad's own packets; refuses while `refuses`."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, Mapping[str, Any]]] = []
        self.refuses = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        packet = CoAPacket(packet=data, secret=SECRET, dict=dictionary())
        assert packet.VerifyCoARequest()
        self.heard.append((packet.code, {name: packet[name][0] for name in ("Acct-Session-Id", "Filter-Id") if name in packet}))
        reply = packet.CreateReply()
        if self.refuses:
            reply.code = CoANAK
        self.transport.sendto(reply.ReplyPacket(), addr)


async def test_open_sessions_are_filtered_and_ended_at_their_access_server(state: State) -> None:
    port = free_port(socket.SOCK_DGRAM)
    transport, nas = await asyncio.get_running_loop().create_datagram_endpoint(Nas, local_addr=("127.0.0.1", port))
    try:
        settings = DunningSettings(nas=(NasSettings(name="bras-1", address="127.0.0.1", port=port, credential="bras"),))
        reports = [SessionReport("bras-1", name, "S-1", START, starts=True) for name in ("one", "two")]
        await take(state, CLERK, reports, BillingSettings(), START)
        async with state.write() as conn:
            await conn.execute(sa.update(usage_session).where(usage_session.c.session == "two").values(state="stopped"))
        ways = Ways([Sessions(state, settings, lambda name: {"password": SECRET.decode()} if name == "bras" else {})])
        asked = Request("r-1", 1, "customer-1", "throttle", "S-1", {})
        assert await ways.carry_out(asked) == "1 sessions"
        await ways.carry_out(replace(asked, act="restore"))
        await ways.carry_out(replace(asked, act="suspend"))
        assert [said.get("Filter-Id") for _, said in nas.heard] == ["throttled", "normal", None]
        assert nas.heard[-1] == (DisconnectRequest, {"Acct-Session-Id": "one"})
        nas.refuses = True
        with pytest.raises(FulfilmentError, match="refused"):
            await ways.carry_out(asked)
    finally:
        transport.close()


async def test_a_provisioning_webhook_gets_every_request_signed_with_one_key_for_ever(state: State) -> None:
    heard: list[tuple[dict[str, str], bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:])}
        heard.append((headers, await reader.readexactly(int(headers["content-length"]))))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/do"
        way = Webhook(Guard((url.split("/")[2],)), DunningSettings(webhook=url), lambda _: {"password": "key"})
        asked = Request("r-1", 1, "customer-1", "suspend", "S-1", {"service": {"number": "S-1"}})
        assert await way.carry_out(asked) == "webhook 204" == await way.carry_out(asked)
        assert heard[0][1] == heard[1][1] and json.loads(heard[0][1])["act"] == "suspend"
        assert heard[0][0]["idempotency-key"] == "r-1" and heard[0][0]["trunkline-signature"] == signature(b"key", heard[0][1])
    finally:
        server.close()


async def test_a_notice_reaches_a_real_mail_server_and_a_customer_without_an_address_is_told_of() -> None:
    got: list[Any] = []

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
            got.append(envelope)
            return "250 OK"

    mail = Controller(Handler(), hostname="127.0.0.1", port=free_port(socket.SOCK_STREAM))
    mail.start()
    try:
        letters = Letters(SmtpSettings(host="127.0.0.1", port=mail.port, security="none", from_address="bills@operator.example"))
        body = {"to": "accounts@customer.example", "subject": "A reminder: 100.00 EUR", "text": "Dear Müller, pay."}
        asked = Request("r-1", 1, "customer-1", "notice", "", body)
        assert await letters.carry_out(asked) == "sent to accounts@customer.example"
        assert got[0].rcpt_tos == ["accounts@customer.example"] and b"Message-ID: <r-1@operator.example>" in got[0].content
        with pytest.raises(FulfilmentError) as refused:
            await letters.carry_out(replace(asked, body=body | {"to": ""}))
        assert refused.value.final
        injected = replace(asked, body=body | {"to": "a@b.example\nBcc: all@b.example"})
        with pytest.raises(FulfilmentError):
            await letters.carry_out(injected)
    finally:
        mail.stop()
