"""Accounts, sessions, tokens and links through the facade."""

import asyncio
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import argon2
import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from station.clock import NS_PER_S, VirtualClock
from station.scope import STATION, ForbiddenError, Role
from station.security import Security
from station.security.authenticate import authenticate, write_refused
from station.security.passwords import PasswordError, Passwords, check_rule
from station.security.sessions import ABSOLUTE_S, IDLE_S, SESSIONS_PER_ACCOUNT
from station.security.store import account, api_token, login_session, one_time_link
from station.security.throttle import LONGEST_WAIT_S, TABLE_ROWS, Throttle, ThrottledError
from station.security.users import AccountError, LinkError
from station.state import State

PASSWORD = "seven small boats at noon"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
START_NS = 1_800_000_000 * NS_PER_S
BASE = "http://127.0.0.1:8080"


class CountingHasher(PasswordHasher):
    """Remembers which stored hashes it was asked to verify: each costs its memory and time."""

    def __init__(self, *, time_cost: int, memory_cost: int, parallelism: int) -> None:
        super().__init__(time_cost=time_cost, memory_cost=memory_cost, parallelism=parallelism)
        self.verified: list[str] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.verified.append(str(hash))
        return super().verify(hash, password)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START_NS)


@pytest.fixture
def security(state: State, clock: VirtualClock) -> Security:
    return Security(state, clock, passwords=Passwords(CHEAP))


def token_of(link: str) -> str:
    return parse_qs(urlsplit(link).query)["token"][0]


async def anna(security: Security, role: Role = Role.OPERATOR) -> None:
    await security.add_user(STATION, "anna", PASSWORD, role)


async def test_the_right_password_signs_in_and_the_session_knows_who(security: Security) -> None:
    await anna(security)
    session = await security.login("Anna ", PASSWORD, "192.0.2.1")
    assert session is not None and session.user == "anna" and session.scope.role is Role.OPERATOR
    assert await security.session(session.id) == session


async def test_a_wrong_password_and_an_unknown_user_answer_alike(security: Security) -> None:
    await anna(security)
    assert await security.login("anna", "not the password", "192.0.2.1") is None
    assert await security.login("nobody", PASSWORD, "192.0.2.1") is None


async def test_an_unknown_user_costs_the_same_hash_as_a_known_one(state: State, clock: VirtualClock) -> None:
    hasher = CountingHasher(time_cost=1, memory_cost=8, parallelism=1)
    security = Security(state, clock, passwords=Passwords(hasher))
    await anna(security)
    for user in ("anna", "nobody"):
        clock.advance(LONGEST_WAIT_S * NS_PER_S)
        await security.login(user, "not the password", "192.0.2.1")
    known, unknown = hasher.verified
    assert known != unknown
    assert argon2.extract_parameters(known) == argon2.extract_parameters(unknown)


@pytest.mark.parametrize("guess", ["", PASSWORD])
async def test_who_has_no_password_comes_in_by_a_link_only(security: Security, guess: str) -> None:
    await security.add_user(STATION, "anna", None, Role.ADMIN)
    assert await security.login("anna", guess, "192.0.2.1") is None
    link = await security.make_login_link("http://127.0.0.1:8080", "anna")
    assert (await security.use_login_link(token_of(link))).user == "anna"


async def test_of_a_thousand_guesses_at_most_a_hundred_are_checked(security: Security, clock: VirtualClock) -> None:
    await anna(security)
    checked = longest_s = 0
    for guess in range(1000):
        clock.advance(5 * NS_PER_S)
        try:
            await security.login("anna", f"guess number {guess}", f"198.51.100.{guess % 250}")
            checked += 1
        except ThrottledError as error:
            longest_s = max(longest_s, error.retry_after_s)
    assert 5 <= checked <= 100 and longest_s == LONGEST_WAIT_S - 5
    clock.advance(LONGEST_WAIT_S * NS_PER_S)
    assert await security.login("anna", PASSWORD, "192.0.2.1") is not None


def test_one_source_that_tries_many_accounts_is_slowed_too() -> None:
    throttle = Throttle()
    for n in range(20):
        throttle.check(f"user-{n}", "192.0.2.1", START_NS)
        throttle.tried(f"user-{n}", "192.0.2.1", START_NS)
    with pytest.raises(ThrottledError):
        throttle.check("user-99", "192.0.2.1", START_NS)
    throttle.check("user-99", "192.0.2.2", START_NS)


def test_a_known_password_does_not_pay_for_guesses_at_others() -> None:
    throttle = Throttle()
    for n in range(20):
        throttle.tried(f"user-{n}", "192.0.2.1", START_NS)
        throttle.tried("own", "192.0.2.1", START_NS)
        throttle.succeeded("own", "192.0.2.1")
    with pytest.raises(ThrottledError):
        throttle.check("another", "192.0.2.1", START_NS)


def test_the_throttle_keeps_a_bounded_number_of_keys() -> None:
    throttle = Throttle()
    for n in range(TABLE_ROWS + 100):
        throttle.tried(f"user-{n}", f"source-{n}", START_NS)
    assert len(throttle._accounts) == len(throttle._sources) == TABLE_ROWS


@pytest.mark.parametrize("password", ["short", "a" * 20, "abababababababab", "passwordpassword", "x" * 1025, "anna-the-engineer123"])
def test_a_guessable_password_is_refused(password: str) -> None:
    with pytest.raises(PasswordError):
        check_rule("anna-the-engineer", password)


def test_a_long_phrase_needs_no_digits_or_signs() -> None:
    check_rule("anna", "seven small boats at noon")
    check_rule("anna", "ein sehr langer Satz mit Umlauten: äöü " * 3)


async def test_the_store_holds_no_secret_in_clear(security: Security, state: State) -> None:
    await anna(security, Role.ADMIN)
    session = await security.login("anna", PASSWORD, "192.0.2.1")
    assert session is not None
    token = await security.make_token(session.scope, "robot", Role.VIEWER, 1)
    link = await security.make_login_link(BASE, "anna")
    async with state.read() as conn:
        kept = [str(list(await conn.execute(sa.select(table)))) for table in (account, login_session, api_token, one_time_link)]
    for secret in (PASSWORD, session.id, session.csrf, token, token_of(link)):
        assert all(secret not in text for text in kept)
        assert secret not in repr(session)
    assert "$argon2id$" in kept[0]


async def test_each_sign_in_gives_another_session_and_logout_ends_it(security: Security) -> None:
    await anna(security)
    first, second = [await security.login("anna", PASSWORD, "192.0.2.1") for _ in range(2)]
    assert first and second and first.id != second.id and first.csrf != second.csrf
    await security.logout(first.id)
    assert await security.session(first.id) is None
    assert await security.session(second.id) is not None


async def test_an_idle_session_ends_and_a_used_one_ends_after_a_week(security: Security, clock: VirtualClock) -> None:
    await anna(security)
    idle = await security.login("anna", PASSWORD, "192.0.2.1")
    used = await security.login("anna", PASSWORD, "192.0.2.1")
    assert idle and used
    hour_ns = 3600 * NS_PER_S
    for _ in range(ABSOLUTE_S // 3600 - 1):
        clock.advance(hour_ns)
        assert await security.session(used.id) is not None
    assert await security.session(idle.id) is None
    clock.advance(hour_ns)
    assert await security.session(used.id) is None


async def test_a_session_unused_for_exactly_the_idle_time_is_over(security: Security, clock: VirtualClock) -> None:
    await anna(security)
    session = await security.login("anna", PASSWORD, "192.0.2.1")
    assert session
    clock.advance(IDLE_S * NS_PER_S)
    assert await security.session(session.id) is None


async def test_too_many_sessions_end_the_oldest(security: Security, clock: VirtualClock) -> None:
    await anna(security)
    sessions = []
    for _ in range(SESSIONS_PER_ACCOUNT + 1):
        clock.advance(NS_PER_S)
        sessions.append(await security.login("anna", PASSWORD, "192.0.2.1"))
    assert sessions[0] and await security.session(sessions[0].id) is None
    assert sessions[1] and await security.session(sessions[1].id) is not None


async def test_a_change_of_password_role_or_standing_ends_every_session(security: Security, state: State) -> None:
    await anna(security)
    for change in (
        security.set_role(STATION, "anna", Role.ENGINEER),
        security.set_password(STATION, "anna", "eight small boats at noon"),
        security.set_password(STATION, "anna", PASSWORD),
        security.disable_user(STATION, "anna"),
    ):
        session = await security.login("anna", PASSWORD, "192.0.2.1")
        await change
        assert session is None or await security.session(session.id) is None
    assert await security.login("anna", PASSWORD, "192.0.2.1") is None
    assert [user["disabled"] for user in await security.list_users(STATION)] == [True]


async def test_only_an_administrator_adds_users_or_sets_the_passwords_of_others(security: Security) -> None:
    await anna(security)
    session = await security.login("anna", PASSWORD, "192.0.2.1")
    assert session
    with pytest.raises(ForbiddenError):
        await security.add_user(session.scope, "ben", PASSWORD, Role.VIEWER)
    with pytest.raises(ForbiddenError):
        await security.set_password(session.scope, "ben", PASSWORD)
    await security.set_password(session.scope, "anna", "nine small boats at noon")
    assert await security.login("anna", "nine small boats at noon", "192.0.2.1") is not None


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "a\nb", "<script>", "../x", "\u202eanna"])
async def test_a_user_name_is_a_plain_word(security: Security, name: str) -> None:
    with pytest.raises(AccountError):
        await security.add_user(STATION, name, PASSWORD, Role.VIEWER)


async def test_two_spellings_of_a_name_are_one_account(security: Security) -> None:
    await anna(security)
    with pytest.raises(AccountError, match="already"):
        await security.add_user(STATION, "ＡNNA", PASSWORD, Role.VIEWER)


async def test_the_first_link_makes_the_administrator_once(security: Security) -> None:
    assert not await security.has_users()
    link = await security.make_first_link(BASE)
    assert link.startswith(f"{BASE}/first?token=")
    with pytest.raises(PasswordError):
        await security.use_first_link(token_of(link), "anna", "short")
    session = await security.use_first_link(token_of(link), "anna", PASSWORD)
    assert session.scope.role is Role.ADMIN and await security.session(session.id) is not None
    with pytest.raises(LinkError):
        await security.use_first_link(token_of(link), "eve", PASSWORD)
    with pytest.raises(AccountError):
        await security.make_first_link(BASE)


async def test_of_two_who_hold_the_first_link_one_wins(security: Security) -> None:
    token = token_of(await security.make_first_link(BASE))
    results = await asyncio.gather(*(security.use_first_link(token, name, PASSWORD) for name in ("anna", "eve")), return_exceptions=True)
    assert sorted(isinstance(result, LinkError) for result in results) == [False, True]
    assert len(await security.list_users(STATION)) == 1


async def test_a_first_link_expires_and_a_newer_one_ends_the_older(security: Security, clock: VirtualClock) -> None:
    old = token_of(await security.make_first_link(BASE))
    new = token_of(await security.make_first_link(BASE))
    assert not await security.first_link_open(old) and await security.first_link_open(new)
    clock.advance(24 * 3600 * NS_PER_S)
    assert not await security.first_link_open(new)


async def test_a_login_link_signs_in_once_as_its_user(security: Security, clock: VirtualClock) -> None:
    await anna(security)
    token = token_of(await security.make_login_link(BASE, "anna"))
    assert (await security.use_login_link(token)).user == "anna"
    with pytest.raises(LinkError):
        await security.use_login_link(token)
    late = token_of(await security.make_login_link(BASE, "anna"))
    clock.advance(3600 * NS_PER_S)
    with pytest.raises(LinkError):
        await security.use_login_link(late)
    with pytest.raises(AccountError):
        await security.make_login_link(BASE, "nobody")


async def test_a_token_carries_a_role_until_it_expires_or_is_revoked(security: Security, clock: VirtualClock) -> None:
    await anna(security, Role.ENGINEER)
    session = await security.login("anna", PASSWORD, "192.0.2.1")
    assert session
    token = await security.make_token(session.scope, "robot", Role.VIEWER, 2)
    scope = await security.token_scope(token)
    assert token.startswith("tl_") and scope and scope.role is Role.VIEWER and scope.user == "anna (robot)"
    [row] = await security.list_tokens(session.scope)
    assert set(row) == {"id", "name", "owner", "role", "created_ns", "expires_ns", "revoked_ns"}
    clock.advance(2 * 86_400 * NS_PER_S)
    assert await security.token_scope(token) is None
    again = await security.make_token(session.scope, "robot", Role.VIEWER, 2)
    newest = (await security.list_tokens(session.scope))[0]
    assert await security.revoke_token(session.scope, newest["id"]) and not await security.revoke_token(session.scope, newest["id"])
    assert await security.token_scope(again) is None


async def test_a_token_never_exceeds_its_maker_and_dies_with_the_account(security: Security) -> None:
    await anna(security)
    session = await security.login("anna", PASSWORD, "192.0.2.1")
    assert session
    with pytest.raises(ForbiddenError):
        await security.make_token(session.scope, "robot", Role.ADMIN, 1)
    token = await security.make_token(session.scope, "robot", Role.OPERATOR, 1)
    await security.disable_user(STATION, "anna")
    assert await security.token_scope(token) is None


@pytest.mark.parametrize("bearer", ["", "tl_", "x" * 10_000, "tl_\0", "tl_' OR 1=1 --"])
async def test_a_made_up_token_or_session_is_nobody(security: Security, bearer: str) -> None:
    assert await security.token_scope(bearer) is None
    assert await security.session(bearer) is None


async def test_a_request_is_known_by_its_bearer_or_by_its_cookie_never_by_both(security: Security) -> None:
    await anna(security)
    session = await security.login("anna", PASSWORD, "192.0.2.1")
    assert session
    token = await security.make_token(session.scope, "robot", Role.VIEWER, 1)
    by_cookie = await authenticate(security, cookie=session.id, authorization=None)
    assert by_cookie and by_cookie.session == session
    by_token = await authenticate(security, cookie=session.id, authorization=f"Bearer {token}")
    assert by_token and by_token.session is None and by_token.scope.role is Role.VIEWER
    assert await authenticate(security, cookie=session.id, authorization="Bearer wrong") is None
    assert await authenticate(security, cookie=session.id, authorization="Basic YTpi") is None
    assert await authenticate(security, cookie=None, authorization=None) is None


async def test_an_unsafe_request_needs_its_own_sessions_csrf_and_origin(security: Security) -> None:
    await anna(security)
    session = await security.login("anna", PASSWORD, "192.0.2.1")
    other = await security.login("anna", PASSWORD, "192.0.2.1")
    assert session and other
    identity = await authenticate(security, cookie=session.id, authorization=None)
    assert identity

    def refused(csrf: str | None, origin: str | None, method: str = "POST") -> bool:
        return write_refused(identity, method=method, csrf=csrf, origin=origin, host="127.0.0.1:8080") is not None

    assert not refused(session.csrf, BASE) and not refused(session.csrf, None)
    assert not refused(None, "https://evil.example", "GET")
    assert refused(None, BASE) and refused(other.csrf, BASE) and refused("\u00e9", BASE)
    for origin in ("https://evil.example", "null", "http://127.0.0.1:8081", "", "http://127.0.0.1:8080.evil.example"):
        assert refused(session.csrf, origin), origin
