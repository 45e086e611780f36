"""An answer to a mail or a short message takes the alarm: only with the code of that message, only by a person's word."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.server import WebParts, create_app
from dashboards.settings import WebSettings
from fault.notify import ack_api, replies_api
from fault.notify.links import LinkError
from fault.notify.outbox import Notifier
from fault.notify.replies import code_of, of_fields, of_mail
from fault.notify.sending import signature
from fault.service import FaultService
from fault.settings import FaultSettings
from fault.status_page import router as status_page
from station.clock import NS_PER_S, VirtualClock
from station.hub import Hub
from station.scope import STATION, Role
from station.security import Security
from station.state import State
from tests.fault.network import at, down, service_on, store_at
from tests.fault.notifying import ENGINEER, QUICK, notifier_on, running, until_quiet
from tests.fault.receiver import receiving
from tests.fault.test_notify_mail import Inbox, serving

PATH = "/api/v1/notify/replies"
BASE = "http://noc.example"
SECRET = "what the gateway knows"
SETTINGS = FaultSettings(lone_after_s=0, announce_after_s=0, status_page=True)


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    it = await store_at(tmp_path)
    yield it
    await it.close()


async def behind_the_guard(state: State, notifier: Notifier, service: FaultService) -> tuple[httpx.AsyncClient, dict[str, str]]:
    """The whole HTTP side with its sign-in guard, and the header of an operator's token."""
    security = Security(state, notifier.clock)
    token = await security.make_token(STATION, "gateway", Role.OPERATOR, 30)
    routers = [ack_api.router(notifier, service), replies_api.router(notifier, service, lambda: SECRET), status_page(service)]
    app = create_app(WebParts(security, Hub(), WebSettings(hosts=("noc.example",)), routers, "0.1.0"))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE), {"Authorization": f"Bearer {token}"}


def answer(to: EmailMessage, text: str, **headers: str) -> bytes:
    """What a mail program makes of an answer."""
    made = EmailMessage(policy=SMTP)
    made["From"], made["Subject"] = "Anna <anna@example.net>", f"Re: {to['Subject']}"
    made["In-Reply-To"], made["References"] = str(to["Message-ID"]), f"{to['References']} {to['Message-ID']}"
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content(text)
    return made.as_bytes()


async def test_the_word_in_an_answer_to_a_mail_takes_the_alarm(state: State, tmp_path: Path) -> None:
    inbox, clock = Inbox(), VirtualClock(at(0))
    async with serving(inbox, tmp_path) as smtp:
        settings = QUICK.model_copy(update={"smtp": smtp, "replies": True, "reply_to": "ack@example.net", "public_url": BASE})
        notifier = notifier_on(state, settings, clock=clock)
        service = await service_on(state, clock, announcer=notifier, settings=SETTINGS)
        async with running(notifier):
            await notifier.add_webhook(ENGINEER, "night", "mailto:noc@example.org", "email")
            await service.handle([down("if-r1-1")])
            await until_quiet(state)
    (mail,) = inbox.mails
    (alarm,) = service.book.alarms.values()
    http, token = await behind_the_guard(state, notifier, service)
    rfc822 = token | {"Content-Type": "message/rfc822"}
    forged = EmailMessage()
    forged["Message-ID"] = re.sub(r"\.[a-z2-7]{10}@", ".aaaaaaaaaa@", str(mail["Message-ID"]))
    async with http:
        unsigned = await http.post(PATH, content=answer(mail, "ack"), headers={"Content-Type": "message/rfc822"})
        refused = [
            await http.post(PATH, content=body, headers=rfc822)
            for body in (
                answer(mail, "I am on holiday", Auto_Submitted="auto-replied"),
                answer(mail, "ack", Auto_Submitted="auto-replied"),
                answer(mail, "who takes this?\n> ack"),
                answer(forged, "ack"),
            )
        ]
        assert not alarm.acknowledged
        taken = await http.post(PATH, content=answer(mail, "\n Ack, on my way\n> Major: r1"), headers=rfc822)
    assert "word: ack" in str(mail.get_body(("plain",)).get_content()) and mail["Reply-To"] == "ack@example.net"  # type: ignore[union-attr]
    assert unsigned.status_code == 401 and [it.status_code for it in refused] == [422] * 4
    assert (taken.json()["acknowledged"], alarm.ack_user) == (1, "answer of anna@example.net")


async def test_the_code_in_an_answer_to_a_short_message_takes_the_alarm_while_it_is_young(state: State) -> None:
    clock = VirtualClock(at(0))
    notifier = notifier_on(state, QUICK.model_copy(update={"replies": True}), clock=clock)
    service = await service_on(state, clock, announcer=notifier, settings=SETTINGS)
    async with receiving() as receiver, running(notifier):
        await notifier.add_webhook(ENGINEER, "sms", receiver.url, "sms", options={"to": "+49301234"})
        await service.handle([down("if-r1-1")])
        await until_quiet(state)
    found = re.search(r"Answer: (ack [a-z2-7]{10})", receiver.taken[0].json["text"])
    assert found is not None
    (alarm,) = service.book.alarms.values()
    http, token = await behind_the_guard(state, notifier, service)
    async with http:
        wrong = await http.post(PATH, json={"from": "+49170", "text": "ack aaaaaaaaaa"}, headers=token)
        none = await http.post(PATH, content=b"[", headers=token)
        before = alarm.acknowledged
        taken = await http.post(PATH, data={"From": "+49170", "Body": found[1].upper()}, headers=token)
        clock.advance(86_402 * NS_PER_S)
        late = await http.post(PATH, json={"from": "+49170", "text": found[1]}, headers=token)
    assert [it.status_code for it in (wrong, none, taken, late)] == [422, 422, 200, 422]
    assert (before, alarm.acknowledged, alarm.ack_user) == (False, True, "answer of +49170")


async def test_a_gateway_signs_what_it_hands_over(state: State) -> None:
    clock = VirtualClock(at(0))
    notifier = notifier_on(state, QUICK.model_copy(update={"replies": True}), clock=clock)
    service = await service_on(state, clock, announcer=notifier, settings=SETTINGS)
    async with receiving() as receiver, running(notifier):
        await notifier.add_webhook(ENGINEER, "sms", receiver.url, "sms", options={"to": "+49301234"})
        await service.handle([down("if-r1-1")])
        await until_quiet(state)
    found = re.search(r"Answer: (ack [a-z2-7]{10})", receiver.taken[0].json["text"])
    assert found is not None
    body = json.dumps({"from": "+49170", "text": found[1]}).encode()
    now_s = clock.now_ns() // NS_PER_S

    def signed(secret: str, stamp: int, over: bytes = body) -> dict[str, str]:
        return {"X-Trunkline-Timestamp": str(stamp), "X-Trunkline-Signature": signature(secret, stamp, over)}

    (alarm,) = service.book.alarms.values()
    http, _ = await behind_the_guard(state, notifier, service)
    async with http:
        refused = [
            await http.post("/hooks/replies", content=body, headers=headers)
            for headers in (
                {},
                signed("another", now_s),
                signed(SECRET, now_s - 301),
                signed(SECRET, now_s, b"{}"),
                {"X-Trunkline-Timestamp": "x" * 99},
            )
        ]
        before = alarm.acknowledged
        taken = await http.post("/hooks/replies", content=body, headers=signed(SECRET, now_s))
    assert [it.status_code for it in refused] == [400] * 5
    assert (before, taken.status_code, alarm.ack_user) == (False, 200, "answer of +49170")


async def test_the_pages_for_people_without_a_sign_in_pass_the_guard_and_nothing_else_does(state: State) -> None:
    clock = VirtualClock(at(0))
    notifier = notifier_on(state, QUICK.model_copy(update={"public_url": BASE}), clock=clock)
    service = await service_on(state, clock, announcer=notifier, settings=SETTINGS)
    async with receiving() as receiver, running(notifier):
        await notifier.add_webhook(ENGINEER, "sms", receiver.url, "sms", options={"to": "+49301234"})
        await service.handle([down("if-r1-1")])
        await until_quiet(state)
    found = re.search(r"http://noc\.example(/ack\?t=\S+)", receiver.taken[0].json["text"])
    assert found is not None
    (alarm,) = service.book.alarms.values()
    http, _ = await behind_the_guard(state, notifier, service)
    html = {"Accept": "text/html"}
    async with http:
        status = await http.get("/status", headers=html)
        asked = await http.get(found[1], headers=html)
        foreign = await http.post(found[1], headers=html | {"Origin": "http://evil.example"})
        other = [await http.get(path) for path in ("/ack/x", "/status/x", PATH, "/api/v1/notices")]
        before = alarm.acknowledged
        taken = await http.post(found[1], headers=html | {"Origin": BASE})
        again = await http.post(found[1], headers=html | {"Origin": BASE})
    assert status.status_code == 200 and "disturbed" in status.text
    assert asked.status_code == 200 and asked.headers["referrer-policy"] == "same-origin"  # or a browser says Origin: null
    assert foreign.status_code == 403 and not before
    assert [it.status_code for it in other] == [401] * 4
    assert (taken.status_code, again.status_code, alarm.ack_user) == (200, 400, "link to sms")


@given(st.binary(max_size=400))
def test_any_bytes_are_a_mail_that_is_understood_or_refused(raw: bytes) -> None:
    for body in (raw, b"From: a@b\r\nIn-Reply-To: <x>\r\nContent-Type: text/plain; charset=nowhere\r\n\r\nack " + raw):
        with suppress(LinkError):
            assert of_mail(body).sender


def test_a_code_is_of_one_message_and_one_station() -> None:
    assert code_of("k", "a") == code_of("k", "a") != code_of("k", "b") != code_of("l", "b")
    assert of_fields({"from": "x", "text": f"OK {code_of('k', 'a')}"}).code == code_of("k", "a")
