"""One attempt: what its outcome says about the message and about the endpoint."""

from collections.abc import Awaitable, Callable, Sequence

import pytest

from fault.notify import samples
from fault.notify.routes import Webhook, message_id
from fault.notify.sending import Secrets, Sender, signature
from fault.notify.settings import NotifySettings
from station.clock import VirtualClock
from station.security.targets import Guard
from station.security.vault import VaultError
from tests.fault.network import at
from tests.fault.receiver import receiving

LOCAL = ("127.0.0.0/8",)


async def known(_: str) -> Secrets:
    return Secrets("a secret", headers={"Authorization": "Basic YTpi"})


async def sealed(_: str) -> Secrets:
    raise VaultError("sealed with another key")


async def nowhere(_host: str, _port: int) -> Sequence[str]:
    raise OSError("no answer from any name server")


async def rebound(_host: str, _port: int) -> Sequence[str]:
    return ["192.168.1.1"]


def sender(guard: Guard, secrets: Callable[[str], Awaitable[Secrets]] = known) -> Sender:
    return Sender(guard, VirtualClock(at(0)), NotifySettings(), secrets)


def hook(url: str, preset: str = "trunkline") -> Webhook:
    return Webhook("w", "noc", url, preset)


@pytest.mark.parametrize(
    ("status", "outcome", "endpoint_failed"),
    [
        (200, "delivered", False),
        (202, "delivered", False),
        (302, "answered", False),
        (400, "answered", False),
        (429, "answered", True),
        (500, "answered", True),
        (0, "unreachable", True),
    ],
)
async def test_an_answer_is_judged(status: int, outcome: str, endpoint_failed: bool) -> None:
    async with receiving(lambda _: status) as receiver:
        attempt = await sender(Guard(LOCAL)).send(hook(receiver.url), samples.announcement("incidents", at(0)))
    assert (attempt.outcome, attempt.endpoint_failed, attempt.status) == (outcome, endpoint_failed, status)
    assert len(receiver.requests) == 1  # a redirect is not followed


@pytest.mark.parametrize(
    ("guard", "outcome"),
    [
        (Guard(resolver=nowhere), "unreachable"),  # the name servers may be behind the very fault we tell of
        (Guard(resolver=rebound), "refused"),
    ],
)
async def test_a_name_that_is_not_found_is_tried_again_and_one_that_leads_inside_is_not(guard: Guard, outcome: str) -> None:
    attempt = await sender(guard).send(hook("http://hooks.example/x"), samples.announcement("alarms", at(0)))
    assert attempt.outcome == outcome


async def test_a_secret_that_cannot_be_opened_sends_nothing_unsigned() -> None:
    async with receiving() as receiver:
        attempt = await sender(Guard(LOCAL), sealed).send(hook(receiver.url), samples.announcement("alarms", at(0)))
    assert (attempt.outcome, attempt.error, receiver.requests) == ("unreachable", "sealed with another key", [])


async def test_a_format_that_is_gone_is_refused() -> None:
    attempt = await sender(Guard(LOCAL)).send(hook("http://127.0.0.1:9/", "fax"), samples.announcement("alarms", at(0)))
    assert (attempt.outcome, attempt.error) == ("refused", "There is no format 'fax'.")


async def test_the_headers_name_sign_and_carry_credentials() -> None:
    it = samples.announcement("incidents", at(0))
    async with receiving() as receiver:
        await sender(Guard(LOCAL)).send(hook(receiver.url, "cloudevents"), it)
    (heard,) = receiver.taken
    assert heard.headers["idempotency-key"] == it.id
    assert heard.headers["x-trunkline-timestamp"] == "1700000000"
    assert heard.headers["x-trunkline-signature"] == signature("a secret", 1_700_000_000, heard.body)
    assert heard.headers["authorization"] == "Basic YTpi"
    assert heard.headers["content-type"] == "application/cloudevents+json; charset=utf-8"


def test_the_signature_is_hmac_sha256_over_timestamp_and_body() -> None:
    # printf '1700000000.{}' | openssl dgst -sha256 -hmac key
    assert signature("key", 1_700_000_000, b"{}") == "v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"


def test_a_message_has_the_same_id_in_every_replay_and_another_for_everything_else() -> None:
    facts = [(1, "w", "i", 1, "opened"), (2, "w", "i", 1, "opened"), (1, "x", "i", 1, "opened"), (1, "w", "j", 1, "opened")]
    facts += [(1, "w", "i", 2, "opened"), (1, "w", "i", 1, "closed"), (1, "w", "i1", 1, "opened")]
    ids = [message_id(*each) for each in facts]
    assert len(set(ids)) == len(ids) and ids == [message_id(*each) for each in facts]
