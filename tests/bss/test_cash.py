"""Direct debits against the message's own schema, bank statements read into payments, card events and vouchers once each."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from bss import ledger
from bss.cash.api import routers
from bss.cash.bank import Bank
from bss.cash.camt053 import CamtError, read
from bss.cash.debits import Debits, Mandate
from bss.cash.iban import IbanError, checked_iban, hidden
from bss.cash.pain008 import latin
from bss.cash.providers import ExampleEvent, Format, Providers, formats, signed
from bss.cash.settings import CashSettings, ProviderSettings
from bss.cash.store import bank_entry, debit_batch, debit_item, sepa_mandate, voucher
from bss.cash.vouchers import Vouchers
from bss.dunning.cases import place_hold
from bss.receivables import account as accounts
from bss.receivables.account import AccountError
from bss.receivables.payments import Payments
from bss.receivables.store import receivable
from station.clock import VirtualClock
from station.state import State
from tests.billing_bridge.calling import client
from tests.billing_bridge.metered import CLERK, DAY_NS, add_customer, at, network

NOW = at("2026-07-10")
SCHEMA = Path(__file__).parent.parent / "cases" / "iso20022" / "pain.008.001.08.xsd"
SETTINGS = CashSettings(
    creditor_id="DE98ZZZ09999999999", iban="DE89 3704 0044 0532 0130 00", bic="COBADEFFXXX",
    providers=(ProviderSettings(name="cards", credential="cards"),),
)  # fmt: skip
NAMESPACE = {"p": "urn:iso:std:iso:20022:tech:xsd:pain.008.001.08"}
MINE = "DE89370400440532013000"


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    made = State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
    await network(made)
    for n in (1, 2, 3):
        await add_customer(made, n)
    yield made
    await made.close()


def payments(state: State) -> Payments:
    return Payments(state, ZoneInfo("UTC"))


def debits(state: State) -> Debits:
    return Debits(payments(state), SETTINGS, "Müller & Söhne Netze")


async def owed(state: State, number: str, amount_minor: int, n: int = 1, due_on: str = "2026-07-01") -> None:
    row = {"tenant": 1, "id": f"id-{number}", "kind": "invoice", "number": number, "customer_id": f"customer-{n}", "currency": "EUR"}
    async with state.write() as conn:
        await conn.execute(sa.insert(receivable).values(**row, amount_minor=amount_minor, issued_on="2026-06-01", due_on=due_on))


async def mandate(state: State, n: int = 1, **more: Any) -> None:
    iban = {1: "NL91ABNA0417164300", 2: "AT611904300234573201", 3: "FR1420041010050500013M02606"}[n]
    made = Mandate(f"M-{n}", f"customer-{n}", f"Customer {n} Ørsted", iban, "2026-01-15")
    await debits(state).add_mandate(CLERK, replace(made, **more), NOW)


async def open_of(state: State, n: int = 1) -> dict[str, int]:
    async with state.read() as conn:
        return {one.number: one.open_minor for one in (await accounts.load(conn, 1, f"customer-{n}")).items}


async def balances(state: State) -> dict[str, int]:
    async with state.read() as conn:
        return {name: minor for (name, _), minor in (await ledger.balances(conn, CLERK)).items() if minor}


async def collected(state: State, day: str = "2026-07-15") -> tuple[Any, Any]:
    """(the batch, its document as a tree that the schema holds)."""
    made = await debits(state).make(CLERK, date.fromisoformat(day), NOW)
    assert made is not None
    async with state.read() as conn:
        text = (await conn.execute(sa.select(debit_batch.c.document).where(debit_batch.c.id == made["id"]))).scalar_one()
    tree = etree.fromstring(text.encode())
    etree.XMLSchema(etree.parse(SCHEMA)).assertValid(tree)
    return made, tree


async def items(state: State) -> list[Any]:
    async with state.read() as conn:
        return [dict(row) for row in (await conn.execute(sa.select(debit_item).order_by(debit_item.c.number))).mappings()]


async def test_what_is_due_is_collected_in_a_file_that_the_schema_holds_and_once(state: State) -> None:
    for number, amount, n in (("A-1", 11_900, 1), ("A-2", 100, 1), ("B-1", 5_000, 2), ("C-1", 7_000, 3)):
        await owed(state, number, amount, n)
    await owed(state, "A-3", 900, due_on="2026-09-01")  # not due yet
    await mandate(state)
    await mandate(state, 2, scheme="B2B")
    made, tree = await collected(state)
    assert (made["n"], made["sum_minor"]) == (3, 17_000)
    assert tree.xpath("//p:GrpHdr/p:CtrlSum/text()", namespaces=NAMESPACE) == ["170.00"]
    assert tree.xpath("//p:PmtInf/p:PmtTpInf/p:SeqTp/text()", namespaces=NAMESPACE) == ["FRST", "FRST", "RCUR"]
    assert tree.xpath("//p:PmtInf/p:PmtTpInf/p:LclInstrm/p:Cd/text()", namespaces=NAMESPACE) == ["B2B", "CORE", "CORE"]
    assert tree.xpath("//p:Cdtr/p:Nm/text()", namespaces=NAMESPACE)[0] == "Mueller + Soehne Netze"
    assert all(tree.xpath("//p:DrctDbtTxInf/p:DbtrAcct/p:Id/p:IBAN/text()", namespaces=NAMESPACE))
    assert await debits(state).make(CLERK, date(2026, 7, 16), NOW) is None  # all of it runs


async def test_a_disputed_invoice_and_a_one_off_mandate_that_was_used_are_not_collected(state: State) -> None:
    await owed(state, "A-1", 1_000)
    await owed(state, "A-2", 2_000)
    await owed(state, "B-1", 3_000, 2)
    await owed(state, "B-2", 4_000, 2)
    await mandate(state)
    await mandate(state, 2, kind="OOFF")
    async with state.write() as conn:
        await place_hold(conn, CLERK, "customer-1", "dispute", "wrong", NOW, document_id="id-A-1")
    made, tree = await collected(state)
    assert made["sum_minor"] == 5_000 and "OOFF" in tree.xpath("//p:SeqTp/text()", namespaces=NAMESPACE)
    assert await debits(state).make(CLERK, date(2026, 8, 1), NOW) is None


async def test_a_mandate_needs_an_account_of_the_area_and_a_reference_of_its_own(state: State) -> None:
    await mandate(state)
    await mandate(state)  # told again
    with pytest.raises(AccountError, match="IBAN"):
        await mandate(state, id="M-9", iban="NL91ABNA0417164301")
    with pytest.raises(AccountError, match="another customer"):
        await mandate(state, 2, id="M-1")
    with pytest.raises(AccountError, match="days"):
        await debits(state).make(CLERK, date(2026, 7, 11), NOW)
    assert hidden(checked_iban("DE89 3704 0044 0532 0130 00")) == "DE89 ... 3000"
    for wrong in ("", "DE89", "US89370400440532013000", "DE89370400440532013001"):
        with pytest.raises(IbanError):
            checked_iban(wrong)


@given(st.text(max_size=200))
def test_any_text_becomes_one_that_every_bank_takes(text: str) -> None:
    made = latin(text, 70)
    assert 1 <= len(made) <= 70 and made.isascii() and made == made.strip() and not made.startswith(("/", "-"))


def transaction(
    amount: str, *, e2e: str = "NOTPROVIDED", words: str = "", name: str = "", iban: str = "", rtr: str = "", sign: str = "CRDT"
) -> str:
    """TxDtls of version 8, where a party's name is one deeper."""
    other = "Dbtr" if sign == "CRDT" else "Cdtr"
    party = f"<{other}><Pty><Nm>{name}</Nm></Pty></{other}>" if name else ""
    party += f"<{other}Acct><Id><IBAN>{iban}</IBAN></Id></{other}Acct>" if iban else ""
    back = f"<RtrInf><Rsn><Cd>{rtr}</Cd></Rsn></RtrInf>" if rtr else ""
    return (
        f'<TxDtls><Refs><EndToEndId>{e2e}</EndToEndId></Refs><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd>'
        f"<RltdPties>{party}</RltdPties><RmtInf><Ustrd>{words}</Ustrd></RmtInf>{back}</TxDtls>"
    )


def entry(ref: str, amount: str, details: str = "", sign: str = "CRDT", part: str = "") -> str:
    batch = f"<Btch><PmtInfId>{part}</PmtInfId></Btch>" if part else ""
    return (
        f'<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-07-15</Dt></BookgDt>'
        f"<AcctSvcrRef>{ref}</AcctSvcrRef><NtryDtls>{batch}{details}</NtryDtls></Ntry>"
    )


def camt(*entries: str, closing: str, number: str = "S-1", version: str = "08", opening: str = "1000.00") -> bytes:
    def balance(code: str, amount: str) -> str:
        return f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>'

    return (
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"><BkToCstmrStmt><Stmt><Id>{number}</Id>'
        f"<Acct><Id><IBAN>{MINE}</IBAN></Id></Acct>{balance('OPBD', opening)}{balance('CLBD', closing)}{''.join(entries)}"
        "</Stmt></BkToCstmrStmt></Document>"
    ).encode()


async def entries(state: State) -> dict[str, tuple[str, str, str]]:
    async with state.read() as conn:
        rows = await conn.execute(sa.select(bank_entry))
        return {row.words or row.end_to_end_id or row.part_id: (row.state, row.by, row.reason) for row in rows}


async def test_transfers_are_matched_by_number_customer_account_and_amount_with_name_and_others_wait(state: State) -> None:
    await owed(state, "INV-2026-000001", 11_900)
    await owed(state, "INV-2026-000002", 4_200, 2)
    await owed(state, "INV-2026-000003", 4_200, 3)
    await mandate(state, 3)
    bank = Bank(payments(state))
    content = camt(
        entry("r1", "119.00", transaction("119.00", words="Rechnung INV 2026/000001 danke")),
        entry("r2", "42.00", transaction("42.00", words="x", name="Customer 2")),
        entry("r3", "10.00", transaction("10.00", words="y", iban="FR1420041010050500013M02606")),
        entry("r4", "3.00", transaction("3.00", words="Kunde K-1")),
        entry("r5", "42.00", transaction("42.00", words="who", name="Somebody")),
        entry("r6", "5.00", words_fee(), sign="DBIT"),
        closing="1211.00",
    )
    assert await bank.take(CLERK, content, NOW) == {"matched": 4, "unallocated": 1, "unexplained": 1}
    found = await entries(state)
    assert [found[words][1] for words in ("Rechnung INV 2026/000001 danke", "x", "y", "Kunde K-1")] == [
        "number",
        "amount",
        "account",
        "customer",
    ]
    assert found["who"] == ("unallocated", "", "no reference; 0 open documents have this amount, 0 of them of the payer's name")
    assert await open_of(state) == {"INV-2026-000001": 0} and (await open_of(state, 3))["INV-2026-000003"] == 3_200
    assert await bank.take(CLERK, content, NOW) == {}  # told again
    booked = await balances(state)
    assert (booked["Assets:Cash"], booked["Liabilities:Unidentified"], sum(booked.values())) == (21_600, -4_200, 0)


def words_fee() -> str:
    return transaction("5.00", words="account fee", sign="DBIT")


async def test_unallocated_cash_is_kept_until_a_person_says_whose_it_is(state: State) -> None:
    await owed(state, "A-1", 4_200)
    bank = Bank(payments(state))
    await bank.take(CLERK, camt(entry("r1", "50.00", transaction("50.00", words="?")), closing="1050.00"), NOW)
    clock = VirtualClock(NOW)
    async with client(
        CLERK, *routers(debits(state), bank, Vouchers(payments(state)), Providers(payments(state), SETTINGS, lambda _: {}), clock)
    ) as http:
        waiting = (await http.get("/api/v1/bank/entries")).json()["items"]
        assert [one["amount_minor"] for one in waiting] == [5_000] and "no reference" in waiting[0]["reason"]
        path = f"/api/v1/bank/entries/{waiting[0]['id']}/assign"
        assert (await http.post(path, json={"customer_id": "nobody"})).status_code == 404
        said = {"customer_id": "customer-1", "documents": [{"document": "A-1", "amount_minor": 4_200}]}
        assert (await http.post(path, json=said)).status_code == 204
        assert (await http.post(path, json=said)).status_code == 409
    booked = await balances(state)
    assert booked["Assets:Cash"] == 5_000 and "Liabilities:Unidentified" not in booked
    assert await open_of(state) == {"A-1": 0}


async def test_a_collection_is_paid_by_its_id_or_its_batch_and_a_return_opens_the_invoice_again(state: State) -> None:
    await owed(state, "A-1", 1_000)
    await owed(state, "B-1", 2_000, 2)
    await mandate(state)
    await mandate(state, 2)
    await collected(state)
    one, two = await items(state)
    bank = Bank(payments(state))
    paid = camt(entry("r1", "30.00", part=one["part_id"]), closing="1030.00")
    assert await bank.take(CLERK, paid, NOW) == {"matched": 1}
    assert (await open_of(state), await open_of(state, 2)) == ({"A-1": 0}, {"B-1": 0})
    back = camt(
        entry("r2", "10.00", transaction("10.00", e2e=one["id"], rtr="AM04", sign="DBIT"), sign="DBIT"),
        entry("r3", "20.00", transaction("20.00", e2e=two["id"], rtr="AC04", sign="DBIT"), sign="DBIT"),
        closing="1000.00", opening="1030.00", number="S-2",
    )  # fmt: skip
    assert await bank.take(CLERK, back, NOW + DAY_NS) == {"returned": 2}
    assert (await open_of(state), await open_of(state, 2)) == ({"A-1": 1_000}, {"B-1": 2_000})
    assert [row["reason"] for row in await items(state)] == ["AM04", "AC04"]
    async with state.read() as conn:
        states = dict((await conn.execute(sa.select(sepa_mandate.c.id, sepa_mandate.c.state))).all())
    assert states == {"M-1": "active", "M-2": "revoked"}  # no money is tried again, a closed account is not
    made, tree = await collected(state, "2026-07-20")
    assert made["n"] == 1 and tree.xpath("//p:SeqTp/text()", namespaces=NAMESPACE) == ["FRST"]  # the first one never came
    again = (await items(state))[1]
    told = camt(entry("r4", "10.00", transaction("10.00", e2e=again["id"])), closing="1010.00", number="S-3")
    assert await bank.take(CLERK, told, NOW + 2 * DAY_NS) == {"matched": 1}
    assert sum((await balances(state)).values()) == 0 and (await balances(state))["Assets:Cash"] == 1_000


async def test_a_return_that_cannot_be_reversed_is_kept_with_its_reason_and_holds_nothing_up(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refunded(*_: object, **__: object) -> None:
        raise AccountError("refunded", "A part of it was refunded.")

    await owed(state, "A-1", 1_000)
    await mandate(state)
    await collected(state)
    (one,), bank = await items(state), Bank(payments(state))
    assert await bank.take(CLERK, camt(entry("r1", "10.00", transaction("10.00", e2e=one["id"])), closing="1010.00"), NOW) == {"matched": 1}
    monkeypatch.setattr(Payments, "reverse", refunded)
    back = entry("r2", "10.00", transaction("10.00", e2e=one["id"], rtr="AM04", sign="DBIT"), sign="DBIT")
    more = camt(back, entry("r3", "5.00"), opening="1010.00", closing="1005.00", number="S-2")
    assert await bank.take(CLERK, more, NOW + DAY_NS) == {"unexplained": 1, "unallocated": 1}
    async with state.read() as conn:
        reasons = (await conn.execute(sa.select(bank_entry.c.reason).where(bank_entry.c.state == "unexplained"))).scalars().all()
    assert reasons == ["A part of it was refunded."]


async def test_a_station_that_died_between_keeping_and_reading_reads_on(state: State) -> None:
    await owed(state, "A-1", 1_000)
    bank = Bank(payments(state))
    statement = read(camt(entry("r1", "10.00", transaction("10.00", words="A-1")), closing="1010.00"))[0]
    await bank._keep(CLERK, statement, "x", NOW)
    assert await bank.resume(CLERK, NOW) == {"matched": 1} and await bank.resume(CLERK, NOW) == {}
    assert await open_of(state) == {"A-1": 0}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not XML"),
        (b"<a/>", "not a camt"),
        (camt(closing="1000.01"), "add up"),
        (camt(entry("r", "10.00", transaction("9.00") + transaction("2.00")), closing="1010.00"), "not what was booked"),
        (camt(entry("r", "1.001", ""), closing="1000.00"), "whole minor"),
        (camt(closing="NaN"), "amount"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">&x;</Document>', "document type"),
    ],
)
def test_what_is_no_statement_or_does_not_add_up_is_refused_whole(content: bytes, says: str) -> None:
    with pytest.raises(CamtError, match=says):
        read(content)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_statement_or_refused(content: bytes) -> None:
    with suppress(CamtError):
        read(content)


def test_an_older_version_names_its_parties_one_higher() -> None:
    content = camt(entry("r1", "10.00", transaction("10.00", words="A", name="Payer")), closing="1010.00", version="02")
    content = content.replace(b"<Pty><Nm>Payer</Nm></Pty>", b"<Nm>Payer</Nm>").replace(b"<Sts><Cd>BOOK</Cd></Sts>", b"<Sts>BOOK</Sts>")
    assert [(one.name, one.amount_minor, one.day) for one in read(content)[0].entries] == [("Payer", 1_000, "2026-07-15")]


EXAMPLES = [pytest.param(shape, one, id=f"{name}-{one.says}") for name, shape in formats().items() for one in shape.examples]


@pytest.mark.parametrize(("shape", "example"), EXAMPLES)
def test_every_example_of_every_card_provider_holds(shape: Format, example: ExampleEvent) -> None:
    assert shape.read(example.event.encode()) == example.expect
    assert any(one.expect for one in shape.examples) and any(one.expect is None for one in shape.examples)


def paid(**more: Any) -> bytes:
    said = {"id": "e-1", "type": "payment.succeeded", "payment": "p-1", "customer": "K-1", "currency": "EUR", "amount_minor": 1_000}
    return json.dumps(said | {"token": "tok_1", "invoice": "A-1"} | more).encode()


async def test_a_signed_card_event_pays_once_and_a_dispute_takes_it_back(state: State) -> None:
    await owed(state, "A-1", 1_000)
    providers = Providers(payments(state), SETTINGS, lambda _: {"password": "key"})
    clock, now_s = VirtualClock(NOW), NOW // 10**9

    async def post(content: bytes, key: bytes = b"key", at_s: int = now_s, provider: str = "cards") -> tuple[int, str]:
        made = routers(debits(state), Bank(payments(state)), Vouchers(payments(state)), providers, clock)
        async with client(None, *made) as http:  # nobody is signed in: the signature is all
            headers = {"Trunkline-Signature": signed(key, content, at_s)}
            reply = await http.post(f"/hooks/payments?provider={provider}", content=content, headers=headers)
            return reply.status_code, reply.json().get("state", "")

    assert await post(paid()) == (200, "done") == await post(paid())
    assert await open_of(state) == {"A-1": 0} and (await balances(state))["Assets:Cash"] == 1_000
    assert (await post(paid(id="e-2", payment="p-2"), key=b"other"))[0] == 401
    assert (await post(paid(id="e-2", payment="p-2"), at_s=now_s - 301))[0] == 401
    assert (await post(paid(id="e-2", payment="p-2"), provider="none"))[0] == 404
    assert (await post(paid(id="e-2", token="4111111111111111")))[0] == 422  # a card is a token
    assert (await post(b"[1"))[0] == 400
    assert await post(paid(id="e-3", payment="p-3", customer="nobody")) == (200, "refused")
    assert await post(paid(id="e-4", type="payment.disputed")) == (200, "done")
    assert await open_of(state) == {"A-1": 1_000} and "Assets:Cash" not in await balances(state)


async def test_a_voucher_is_worth_its_money_once_and_only_its_hash_is_kept(state: State) -> None:
    await owed(state, "A-1", 1_500)
    vouchers = Vouchers(payments(state))
    one, two = await vouchers.make(CLERK, "spring", 2, "EUR", 1_000, NOW + DAY_NS, NOW)
    with pytest.raises(AccountError, match="before"):
        await vouchers.make(CLERK, "spring", 2, "EUR", 1_000, NOW + DAY_NS, NOW)
    assert (await balances(state))["Liabilities:Prepaid"] == -2_000
    written = f"{one[:4]}-{one[4:8]} {one[8:].lower()}"
    first = await vouchers.redeem(CLERK, written, "customer-1", NOW)
    assert await vouchers.redeem(CLERK, one, "customer-1", NOW + 9 * DAY_NS) == first
    for code, who, when, says in (
        (one, "customer-2", NOW, "was used"),
        (two, "customer-1", NOW + DAY_NS, "expired"),
        ("A" * 16, "customer-1", NOW, "no such"),
    ):
        with pytest.raises(AccountError, match=says):
            await vouchers.redeem(CLERK, code, who, when)
    with pytest.raises(AccountError, match="customer"):
        await vouchers.redeem(CLERK, two, "nobody", NOW)
    assert await open_of(state) == {"A-1": 500}
    booked = await balances(state)
    assert (booked["Liabilities:Prepaid"], booked["Assets:Cash"], sum(booked.values())) == (-1_000, 2_000, 0)
    async with state.read() as conn:
        assert one not in str((await conn.execute(sa.select(voucher))).all())
