"""E-mail: an announcement as a message with text and HTML, sent over SMTP (RFC 5321) with STARTTLS or TLS.

Messages about one object refer to one root id (RFC 5322, section 3.6.4), so that mail programs show them as one thread.
"""

import base64
import html
import re
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final
from urllib.parse import unquote

import aiosmtplib

from fault.notify.message import LETTER, Announcement
from fault.notify.settings import SmtpSettings

NAME: Final = "email"
SCHEME: Final = "mailto:"
ADDRESSES_MAX: Final = 50
SUBJECT_MAX: Final = 200
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}")


class MailError(Exception):
    """It was not taken. `code` is the server's, 0 where none answered; a `final` one goes the same way later."""

    def __init__(self, code: int, text: str, *, final: bool = False) -> None:
        super().__init__(text)
        self.code, self.final = code, final


@dataclass(frozen=True, slots=True)
class Login:
    user: str = ""
    password: str = ""


def addresses(url: str) -> list[str]:
    """The addresses of `mailto:a@example.com,b@example.com`; ValueError says which is none."""
    if not url.startswith(SCHEME):
        raise ValueError("E-mail goes to mailto: and addresses by comma.")
    found = [unquote(each).strip() for each in url.removeprefix(SCHEME).split(",")]
    wrong = [each for each in found if not _ADDRESS.fullmatch(each)]
    if wrong:
        raise ValueError(f"{wrong[0][:100]!r} is no address.")
    if len(found) > ADDRESSES_MAX:
        raise ValueError(f"At most {ADDRESSES_MAX} addresses.")
    return found


def message(it: Announcement, to: list[str], sender: str) -> EmailMessage:
    """The message; what a device says is text in the plain part and escaped in the other."""
    if it.about == LETTER:
        made = _enveloped(it, to, sender, str(it.body["subject"]), str(it.body["thread"]))
        made.set_content(_clean(str(it.body["text"])))
        if attached := it.body.get("attached"):
            kind, _, subkind = attached["type"].partition("/")
            data = base64.b64decode(attached["data"])
            made.add_attachment(data, maintype=kind, subtype=subkind, filename=attached["name"])
        return made
    made = _enveloped(it, to, sender, f"[Trunkline] {it.title}", it.object_id)
    if it.reply_to:
        made["Reply-To"] = it.reply_to
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday answers
    made["X-Trunkline-Severity"] = it.severity
    made["X-Trunkline-Transition"] = it.transition
    made.set_content(_clean(it.text))
    made.add_alternative(_html(it), subtype="html")
    return made


def _enveloped(it: Announcement, to: list[str], sender: str, subject: str, thread: str) -> EmailMessage:
    """A message without its words."""
    domain = sender.rpartition("@")[2] or "localhost"
    made = EmailMessage(policy=SMTP)
    made["Subject"] = _line(subject)[:SUBJECT_MAX]
    made["From"] = Address("Trunkline", addr_spec=sender)
    made["To"] = ", ".join(to)
    made["Date"] = format_datetime(_at(it.at))
    made["Message-ID"] = f"<{it.id}{'.' if it.reply_code else ''}{it.reply_code}@{domain}>"
    made["In-Reply-To"] = made["References"] = f"<{thread}@{domain}>"
    return made


def _html(it: Announcement) -> str:
    lines = [f"<p>{_linked(line)}</p>" for line in it.lines]
    return f"<!doctype html><html><body><h2>{html.escape(_line(it.title))}</h2>{''.join(lines)}</body></html>"


def _linked(line: str) -> str:
    """Our own two links are links, and nothing else is."""
    label, sign, rest = _clean(line).partition(": http")
    if sign and label in ("Read more", "Acknowledge"):
        url = html.escape(f"http{rest}", quote=True)
        return f'<a href="{url}">{label}</a>'
    return html.escape(_clean(line))


def _line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _clean(text: str) -> str:
    return "\n".join(_line(line) for line in text.split("\n"))


def _at(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)


async def send(it: Announcement, url: str, settings: SmtpSettings, login: Login) -> str:
    """Send one message to every address; the server's last words. MailError when it was not taken."""
    if not settings.host:
        raise MailError(0, "No mail server is set: [notify.smtp] host.", final=True)
    made = message(it, addresses(url), settings.from_address)
    tls = ssl.create_default_context(cafile=settings.ca_file or None) if settings.security != "none" else None
    client = aiosmtplib.SMTP(
        hostname=settings.host,
        port=settings.port,
        use_tls=settings.security == "tls",
        start_tls=settings.security == "starttls",
        tls_context=tls,
        timeout=settings.timeout_s,
    )
    try:
        async with client:
            if login.user:
                await client.login(login.user, login.password)
            _, said = await client.send_message(made)
    except aiosmtplib.SMTPAuthenticationError as error:
        raise MailError(error.code, f"the sign-in was refused: {error.message}"[:300]) from error
    except aiosmtplib.SMTPRecipientsRefused as error:
        codes = [each.code for each in error.recipients]
        raise MailError(max(codes), f"no address was taken: {error.recipients[0].message}"[:300], final=min(codes) >= 500) from error
    except aiosmtplib.SMTPResponseException as error:
        raise MailError(error.code, error.message[:300], final=error.code >= 500) from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise MailError(0, f"{type(error).__name__}: {error}"[:300]) from error
    return said
