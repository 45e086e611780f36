"""`Security`: everything the console, the API and the command line ask about who somebody is."""

from typing import Any, Final
from urllib.parse import quote

from station.clock import Clock
from station.scope import OPERATOR_TENANT, Role, Scope
from station.security import audit, sessions, tokens, users
from station.security.passwords import Passwords, check_rule
from station.security.sessions import Session
from station.security.throttle import FAILURES, Throttle
from station.state import State

FIRST_PATH: Final = "/first"  # where the console asks for the first administrator's name and password
ENTER_PATH: Final = "/enter"  # where the console takes a login link
_SECRET_MAX: Final = 128  # characters of a session id or token worth hashing


class Security:
    """Sign-in, sessions, tokens and accounts of one tenant."""

    def __init__(self, state: State, clock: Clock, *, tenant: int = OPERATOR_TENANT, passwords: Passwords | None = None) -> None:
        self._state = state
        self._clock = clock
        self._tenant = tenant
        self._passwords = passwords or Passwords()
        self._throttle = Throttle()

    async def login(self, user: str, password: str, source: str) -> Session | None:
        """A fresh session, or None for a wrong name or password, in the same time.

        `source` is the peer's address. Raises ThrottledError (429, `retry_after_s`) after too many failures and
        BusyError (503) when too many checks wait.
        """
        now_ns = self._clock.now_ns()
        account = users.folded(user)[: users.NAME_MAX]
        self._throttle.check(account, source, now_ns)
        self._throttle.tried(account, source, now_ns)
        async with self._state.read() as conn:
            owner = await users.by_name(conn, self._tenant, user)
        if not await self._passwords.matches(owner.password_hash if owner else None, password):
            FAILURES.labels("wrong").inc()
            return None
        self._throttle.succeeded(account, source)
        return await self._begin(owner, password)

    async def _begin(self, owner: Any, password: str) -> Session:
        renewed = await self._passwords.hash(password) if self._passwords.outdated(owner.password_hash) else None
        async with self._state.write() as conn:
            scope = sessions.scope_of_row(owner, owner.name)
            if renewed:
                await users.change(conn, scope, owner.name, "account.rehash", self._clock.now_ns(), password_hash=renewed)
            await audit.record(conn, scope, "session.begin", f"account:{owner.name}", now_ns=self._clock.now_ns())
            return await sessions.begin(conn, owner, self._clock.now_ns())

    async def session(self, session_id: str) -> Session | None:
        """The session of a cookie, or None when it has ended, expired, or its account was disabled."""
        if not 0 < len(session_id) <= _SECRET_MAX:
            return None
        async with self._state.read() as conn:
            found = await sessions.find(conn, session_id, self._clock.now_ns())
        if found is None:
            return None
        session, due = found
        if due:
            async with self._state.write() as conn:
                await sessions.touch(conn, session_id, self._clock.now_ns())
        return session

    async def logout(self, session_id: str) -> None:
        async with self._state.write() as conn:
            await sessions.end(conn, session_id)

    async def token_scope(self, bearer: str) -> Scope | None:
        """The scope of an API token (`tl_...`), or None."""
        if not 0 < len(bearer) <= _SECRET_MAX:
            return None
        async with self._state.read() as conn:
            return await tokens.find(conn, bearer, self._clock.now_ns())

    async def has_users(self) -> bool:
        """Whether anybody can sign in; if not, `make_first_link` is what to print."""
        async with self._state.read() as conn:
            return await users.any_account(conn, self._tenant)

    async def make_first_link(self, base_url: str) -> str:
        """`<base>/first?token=...`: works once, for a day, while there is no account; AccountError when there is one."""
        async with self._state.write() as conn:
            await self._require_nobody(conn)
            token = await users.make_link(conn, self._tenant, "first", self._clock.now_ns())
        return f"{base_url.rstrip('/')}{FIRST_PATH}?token={quote(token)}"

    async def first_link_open(self, token: str) -> bool:
        """Whether the form behind the first link may be shown; it uses nothing up."""
        async with self._state.read() as conn:
            return await users.link_is_open(conn, self._tenant, "first", token, self._clock.now_ns())

    async def use_first_link(self, token: str, user: str, password: str) -> Session:
        """Make the first administrator and sign in.

        PasswordError and AccountError leave the link unused; LinkError says that it is no longer good.
        """
        check_rule(users.checked(user), password)
        if not await self.first_link_open(token):
            raise users.LinkError
        password_hash = await self._passwords.hash(password)
        now_ns = self._clock.now_ns()
        scope = Scope(self._tenant, Role.ADMIN, users.checked(user))
        async with self._state.write() as conn:
            await users.use_link(conn, self._tenant, "first", token, now_ns)
            await self._require_nobody(conn)
            account_id = await users.add(conn, scope, user, password_hash, Role.ADMIN, now_ns)
            return await sessions.begin(conn, await users.by_id(conn, self._tenant, account_id), now_ns)

    async def make_login_link(self, base_url: str, user: str) -> str:
        """`<base>/enter?token=...`: signs in as an existing user, once, within the hour; a new one ends the earlier."""
        async with self._state.write() as conn:
            owner = await users.by_name(conn, self._tenant, user)
            if owner is None:
                raise users.AccountError(f"There is no user {users.folded(user)!r}.")
            token = await users.make_link(conn, self._tenant, "login", self._clock.now_ns(), owner.id)
        return f"{base_url.rstrip('/')}{ENTER_PATH}?token={quote(token)}"

    async def use_login_link(self, token: str) -> Session:
        """Sign in by a login link; LinkError when it is no longer good."""
        now_ns = self._clock.now_ns()
        async with self._state.write() as conn:
            account_id = await users.use_link(conn, self._tenant, "login", token, now_ns)
            owner = await users.by_id(conn, self._tenant, account_id)
            if owner is None:
                raise users.LinkError
            scope = sessions.scope_of_row(owner, owner.name)
            await audit.record(conn, scope, "session.begin", f"account:{owner.name}", now_ns=now_ns, reason="login link")
            return await sessions.begin(conn, owner, now_ns)

    async def add_user(self, scope: Scope, name: str, password: str | None, role: Role) -> str:
        """Make an account; return its id. PasswordError or AccountError say what is wrong.

        Without a password nobody signs in by one: the account is entered by a one-time link.
        """
        scope.require(Role.ADMIN, "adding a user")
        password_hash = ""
        if password is not None:
            check_rule(users.checked(name), password)
            password_hash = await self._passwords.hash(password)
        async with self._state.write() as conn:
            return await users.add(conn, scope, name, password_hash, role, self._clock.now_ns())

    async def list_users(self, scope: Scope) -> list[dict[str, Any]]:
        """`{id, name, role, disabled, created_ns}` by name."""
        scope.require(Role.ADMIN, "listing users")
        async with self._state.read() as conn:
            return await users.listed(conn, scope.tenant)

    async def set_password(self, scope: Scope, name: str, password: str) -> None:
        """A new password for oneself, or for anyone as an administrator; every session of the account ends."""
        if users.folded(name) != scope.user:
            scope.require(Role.ADMIN, "setting another user's password")
        check_rule(users.folded(name), password)
        password_hash = await self._passwords.hash(password)
        await self._change(scope, name, "account.password", password_hash=password_hash)

    async def set_role(self, scope: Scope, name: str, role: Role) -> None:
        """Another role; every session of the account ends."""
        scope.require(Role.ADMIN, "changing a role")
        await self._change(scope, name, f"account.role.{role}", role=role.value)

    async def disable_user(self, scope: Scope, name: str) -> None:
        """No sign-in any more; sessions end and the account's tokens stop working."""
        scope.require(Role.ADMIN, "disabling a user")
        await self._change(scope, name, "account.disable", disabled=True)

    async def _change(self, scope: Scope, name: str, act: str, **values: Any) -> None:
        async with self._state.write() as conn:
            account_id = await users.change(conn, scope, name, act, self._clock.now_ns(), **values)
            await sessions.end_all(conn, account_id)

    async def make_token(self, scope: Scope, name: str, role: Role, days: int) -> str:
        """An API token, shown this once. TokenError, or ForbiddenError for a role beyond one's own."""
        async with self._state.write() as conn:
            return await tokens.make(conn, scope, name, role, days, self._clock.now_ns())

    async def list_tokens(self, scope: Scope) -> list[dict[str, Any]]:
        """`{id, name, owner, role, created_ns, expires_ns, revoked_ns}`, newest first."""
        async with self._state.read() as conn:
            return await tokens.listed(conn, scope)

    async def revoke_token(self, scope: Scope, token_id: str) -> bool:
        """Whether there was such a living token to end."""
        async with self._state.write() as conn:
            return await tokens.revoke(conn, scope, token_id, self._clock.now_ns())

    async def _require_nobody(self, conn: Any) -> None:
        if await users.any_account(conn, self._tenant):
            raise users.AccountError("The first administrator exists already; sign in, or use `trunkline user add`.")
