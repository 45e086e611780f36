"""E-mail against a real SMTP server: STARTTLS, sign-in, threads, and what the server refuses."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fault.notify import mail, samples
from fault.notify.registry import WebhookError
from fault.notify.settings import SmtpSettings
from station.clock import VirtualClock
from station.state import State
from tests.fault.network import at, down, service_on, store_at, up
from tests.fault.notifying import ENGINEER, QUICK, messages, notifier_on, running, until_quiet

IT = replace(samples.announcement("incidents", at(0)), at="2026-01-02T03:04:05.000Z", station_url="https://noc.example")


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    it = await store_at(tmp_path)
    yield it
    await it.close()


class Inbox:
    """What the server took; `answers` are given to RCPT in turn before it takes any."""

    def __init__(self, *answers: str) -> None:
        self.mails: list[EmailMessage] = []
        self.answers = list(answers)

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.answers:
            return self.answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        made = message_from_bytes(envelope.content, policy=default)
        assert isinstance(made, EmailMessage)
        self.mails.append(made)
        return "250 2.0.0 taken"


@asynccontextmanager
async def serving(inbox: Inbox, folder: Path) -> AsyncIterator[SmtpSettings]:
    """A server that wants STARTTLS and a sign-in of noc with the password s3cret."""

    def signs_in(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"noc", b"s3cret")
        return AuthResult(success=good, handled=good)

    def made() -> SMTP:
        return SMTP(inbox, tls_context=context, require_starttls=True, auth_required=True, authenticator=signs_in, hostname="localhost")

    context = tls(folder)
    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
    try:
        yield SmtpSettings(
            host="localhost",
            port=server.sockets[0].getsockname()[1],
            user="noc",
            password="s3cret",
            ca_file=str(folder / "smtp.pem"),
            from_address="noc@example.net",
        )
    finally:
        server.close()


def tls(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "smtp.pem").write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "smtp.pem")
    return context


async def test_an_incident_is_one_thread_of_mails_with_text_and_html(state: State, tmp_path: Path) -> None:
    inbox = Inbox()
    async with serving(inbox, tmp_path) as smtp:
        notifier = notifier_on(state, QUICK.model_copy(update={"smtp": smtp}))
        service = await service_on(state, VirtualClock(at(0)), announcer=notifier)
        async with running(notifier):
            await notifier.add_webhook(ENGINEER, "night", "mailto:noc@example.org,boss@example.org", "email")
            await service.handle([down("if-r1-1", text="<b>cut</b>")])
            await until_quiet(state)
            await service.handle([up("if-r1-1", 5)])
            await until_quiet(state)
    first, last = inbox.mails
    assert (first["Subject"], last["Subject"]) == ("[Trunkline] Major: r1 ge-0/0/1", "[Trunkline] Over: r1 ge-0/0/1")
    assert first["References"] == last["References"] == last["In-Reply-To"] != first["Message-ID"]
    assert first["To"] == "noc@example.org, boss@example.org"
    plain, rich = (part.get_content() for part in first.iter_parts())
    assert "<b>cut</b>" in plain
    assert "&lt;b&gt;cut&lt;/b&gt;" in rich


async def test_a_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not(state: State, tmp_path: Path) -> None:
    inbox = Inbox("451 later", "450 later still")
    async with serving(inbox, tmp_path) as smtp:
        notifier = notifier_on(state, QUICK.model_copy(update={"smtp": smtp}))
        service = await service_on(state, VirtualClock(at(0)), announcer=notifier)
        async with running(notifier):
            await notifier.add_webhook(ENGINEER, "night", "mailto:noc@example.org", "email")
            await service.handle([down("if-r1-1")])
            await until_quiet(state)
            inbox.answers.append("550 nobody of that name")
            await service.handle([up("if-r1-1", 5)])
            await until_quiet(state)
    first, last = await messages(state)
    assert (first["state"], first["attempts"], len(inbox.mails)) == ("delivered", 3, 1)
    assert (last["state"], last["attempts"], last["status"]) == ("failed", 1, 550)


@pytest.mark.parametrize(
    ("change", "code"),
    [({"password": "wrong"}, 535), ({"ca_file": ""}, 0), ({"security": "none"}, 0), ({"port": 1}, 0), ({"host": ""}, 0)],
)
async def test_what_stands_between_us_and_the_server_is_an_error_with_words(tmp_path: Path, change: dict[str, Any], code: int) -> None:
    inbox = Inbox()
    async with serving(inbox, tmp_path) as smtp:
        wrong = smtp.model_copy(update=change)
        with pytest.raises(mail.MailError) as caught:
            async with asyncio.timeout(60):
                await mail.send(IT, "mailto:noc@example.org", wrong, mail.Login(wrong.user, wrong.password))
    assert (caught.value.code, inbox.mails) == (code, []), str(caught.value)


def test_no_header_can_be_smuggled_in_by_a_device() -> None:
    root = {**IT.body["root"], "name": "r1\r\nBcc: all@example.org"}
    made = mail.message(replace(IT, body={**IT.body, "root": root}), ["noc@example.org"], "noc@example.net")
    assert made["Bcc"] is None
    assert "\r" not in made["Subject"]


@pytest.mark.parametrize("url", ["mailto:", "mailto:noc", "mailto:a@b.example,c d@e", "mailto:a@b%0d%0aRCPT", "https://example.org"])
async def test_what_is_no_address_is_no_receiver(state: State, url: str) -> None:
    with pytest.raises(WebhookError, match=r"address|mailto"):
        await notifier_on(state).add_webhook(ENGINEER, "night", url, "email")
