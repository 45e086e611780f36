"""Notices: drafted from whom an incident hurts, changed and sent by a person, by mail through the outbox or on the status page."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from fault.notices.api import router
from fault.notices.desk import Desk
from fault.notices.texts import NAMES, Text, load_texts
from fault.settings import FaultSettings
from fault.status_page import router as status_page
from inventory.store import customer
from station.clock import NS_PER_S, VirtualClock
from station.scope import STATION, Role, Scope
from station.security.audit import rows as audit_rows
from station.settings import SettingsError
from station.state import State
from tests.billing_bridge.calling import client
from tests.fault.network import at, down, service_on, store_at, up
from tests.fault.notifying import ENGINEER, QUICK, notifier_on, running, until_quiet
from tests.fault.test_notify_mail import Inbox, serving

TEXTS = load_texts()
OPERATOR = Scope(STATION.tenant, Role.OPERATOR, "olga")
SETTINGS = FaultSettings(lone_after_s=0, announce_after_s=0, status_page=True)


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    it = await store_at(tmp_path)
    async with it.write() as conn:
        empty: dict[str, Any] = {
            column.name: 0 if isinstance(column.type, sa.Integer) else ""
            for column in customer.columns
            if not column.nullable and column.server_default is None
        }
        await conn.execute(sa.insert(customer).values(**empty | {"tenant": 1, "id": "c1", "name": "Acme", "email": "noc@acme.example"}))
    yield it
    await it.close()


async def test_a_person_reads_changes_and_sends_what_was_drafted(state: State, tmp_path: Path) -> None:
    inbox, clock = Inbox(), VirtualClock(at(0))
    async with serving(inbox, tmp_path) as smtp:
        notifier = notifier_on(state, QUICK.model_copy(update={"smtp": smtp}))
        service = await service_on(state, clock, settings=SETTINGS)
        await service.handle([down("if-r3-9")])
        await service.tick()
        (it,) = service.incidents.incidents.values()
        async with running(notifier), client(OPERATOR, router(Desk(service, notifier, TEXTS)), status_page(service)) as http:
            await notifier.add_webhook(ENGINEER, "customers", "mailto:noc@example.net", "email", filter="severity:critical")
            drafted = (await http.post(f"/api/v1/incidents/{it.id}/notices")).json()["items"]
            again = (await http.post(f"/api/v1/incidents/{it.id}/notices")).json()["items"]
            public, acme = drafted
            changed = await http.put(
                f"/api/v1/notices/{acme['id']}", json={"recipient": acme["recipient"], "subject": "Störung", "text": "Dear Acme,\n.\nsorry"}
            )
            sent = await http.post(f"/api/v1/notices/{acme['id']}/send", json={})
            twice = await http.post(f"/api/v1/notices/{acme['id']}/send", json={})
            assert (await http.get("/status", headers={"accept": "application/json"})).json()["notices"] == []
            await http.post(f"/api/v1/notices/{public['id']}/send", json={})
            told = (await http.get("/status", headers={"accept": "application/json"})).json()["notices"]
            await until_quiet(state)
            listed = (await http.get("/api/v1/notices", params={"incident": it.id})).json()["items"]
            clock.advance(600 * NS_PER_S)
            await service.handle([up("if-r3-9", 600)])
            ended = (await http.post(f"/api/v1/incidents/{it.id}/notices")).json()["items"]
    assert len(again) == len(drafted) == 2 and public["public"] and public["recipient"] == ""
    assert (acme["customer"], acme["recipient"], acme["kind"]) == ("Acme", "noc@acme.example", "opened")
    assert "acme-internet" in acme["text"] and "r3" not in acme["text"]
    assert (changed.status_code, sent.status_code, twice.status_code) == (200, 200, 409)
    (mail,) = inbox.mails
    assert (mail["To"], mail["Subject"]) == ("noc@acme.example", "Störung") and mail.get_content().split() == [
        "Dear",
        "Acme,",
        ".",
        "sorry",
    ]
    assert mail["Auto-Submitted"] is None and it.id in str(mail["References"])
    assert [row["title"] for row in told] == ["Disturbance in east"]
    assert {row["delivery"] for row in listed if not row["public"]} == {"delivered"}
    assert {row["kind"] for row in ended if row["state"] == "draft"} == {"closed"}
    assert "10 min" in next(row["text"] for row in ended if row["state"] == "draft" and row["customer"])
    acts = [row["act"] for row in await audit_rows(state, STATION)]
    assert acts.count("notice.send") == 2 and "notice.change" in acts


async def test_what_cannot_be_sent_stays_a_draft_and_says_why(state: State) -> None:
    notifier, service = notifier_on(state), await service_on(state, VirtualClock(at(0)), settings=SETTINGS)
    await service.handle([down("if-r1-2")])
    await service.tick()
    (it,) = service.incidents.incidents.values()
    async with client(OPERATOR, router(Desk(service, notifier, TEXTS))) as http:
        drafted = (await http.post(f"/api/v1/incidents/{it.id}/notices")).json()["items"]
        globex = next(row for row in drafted if row["customer"] == "Globex")
        nobody = await http.post(f"/api/v1/notices/{globex['id']}/send", json={})
        letter = {"recipient": "noc@globex.example", "subject": "s", "text": "t"}
        assert (await http.put(f"/api/v1/notices/{globex['id']}", json=letter)).status_code == 200
        no_mail = await http.post(f"/api/v1/notices/{globex['id']}/send", json={})
        injected = await http.put(f"/api/v1/notices/{globex['id']}", json=letter | {"subject": "s\nBcc: x@example.org"})
        dropped = (await http.post(f"/api/v1/notices/{globex['id']}/drop")).json()
        missing = await http.post("/api/v1/incidents/none/notices")
    assert (nobody.status_code, nobody.json()["field"]) == (422, "recipient")
    assert (no_mail.status_code, no_mail.json()["field"]) == (422, "webhook")
    assert (injected.status_code, dropped["state"], missing.status_code) == (422, "dropped", 404)


async def test_a_caller_of_one_customer_sees_and_drafts_for_this_one_only(state: State) -> None:
    service = await service_on(state, VirtualClock(at(0)), settings=SETTINGS)
    await service.handle([down("dev-r1"), down("if-r1-2")])
    await service.tick()
    desk = Desk(service, notifier_on(state), TEXTS)
    for it in service.incidents.incidents.values():
        async with client(OPERATOR, router(desk)) as http:
            await http.post(f"/api/v1/incidents/{it.id}/notices")
    async with client(Scope(1, Role.OPERATOR, "g", customers=("c2",)), router(desk)) as http:
        mine = (await http.get("/api/v1/notices")).json()["items"]
    async with client(Scope(1, Role.OPERATOR, "e", regions=("east",)), router(desk)) as http:
        east = (await http.get("/api/v1/notices")).json()["items"]
    assert {row["customer"] for row in mine} == {None, "Globex"}
    assert east == []


def test_every_kind_of_notice_has_a_text() -> None:
    assert TEXTS.keys() == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_text_says_what_its_examples_say(name: str) -> None:
    text = TEXTS[name]
    assert len(text.examples) > 1
    for example in text.examples:
        said = "\n".join(text.fill(example.words))
        assert all(part in said for part in example.has), example.says
        assert not any(part in said for part in example.lacks), example.says


def test_a_wrong_text_is_refused_by_name_and_line(tmp_path: Path) -> None:
    (tmp_path / "customer_opened.toml").write_text('subject = "x"\ntext = "{device} is down"\nexamples = []\n')
    with pytest.raises(SettingsError, match=r"customer_opened.toml:2: text: 'device' is none of customer"):
        load_texts(str(tmp_path))
    (tmp_path / "customer_opened.toml").rename(tmp_path / "customer_open.toml")
    with pytest.raises(SettingsError, match="a notice is one of"):
        load_texts(str(tmp_path))
    assert isinstance(TEXTS["public_closed"], Text)
