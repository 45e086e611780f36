"""Where the station may send to: every outgoing URL that people configure passes here (OWASP API7:2023, SSRF).

A name is resolved once and the connection goes to the very address that was checked, so that an answer
that changes in between (DNS rebinding) leads nowhere. No redirect is followed, no proxy is used.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

import httpx

from station.metrics import counter

URL_MAX: Final = 2048
TIMEOUT_S: Final = 10.0
REPLY_MAX: Final = 65_536  # octets of an answer's body
RESOLVE_TIMEOUT_S: Final = 5.0
_PORTS: Final = {"http": 80, "https": 443}
_TRANSLATED: Final = (
    IPv6Network("64:ff9b::/96"),
    IPv6Network("64:ff9b:1::/48"),
    IPv6Network("2002::/16"),
    IPv6Network("2001::/32"),
)  # NAT64, 6to4, Teredo

REFUSED = counter("outbound_refused", "Outgoing requests that were refused, by reason.", "reason")
Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]


class TargetError(Exception):
    """A URL the station does not send to; `reason` is one word for counters, the text says it to a person."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        REFUSED.labels(reason).inc()


class DeliveryError(Exception):
    """A checked target that could not be reached or did not answer properly; worth another try later."""


@dataclass(frozen=True, slots=True)
class Target:
    """A checked URL and the one address to connect to. `netloc` is what the Host header says."""

    scheme: str
    host: str
    port: int
    path: str
    address: str

    @property
    def netloc(self) -> str:
        return _bracketed(self.host) if self.port == _PORTS[self.scheme] else f"{_bracketed(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the other side answered: at most REPLY_MAX octets of it; `truncated` says that there was more."""

    status: int
    body: bytes
    truncated: bool


class Guard:
    """Checks outgoing URLs and sends to them.

    `allow` lists exceptions: `host:port` as written in the URL, or a network in CIDR notation. `tls` says whose
    certificates count; by default those the system trusts.
    """

    def __init__(self, allow: Sequence[str] = (), *, resolver: Resolver | None = None, tls: ssl.SSLContext | None = None) -> None:
        networks = [entry for entry in allow if "/" in entry]
        self._hosts = frozenset(entry.lower() for entry in allow if "/" not in entry)
        self._networks = tuple(ip_network(entry, strict=False) for entry in networks)
        self._resolve = resolver or resolve
        self._tls = tls

    async def check(self, url: str) -> Target:
        """The target of a URL with its address pinned; TargetError says why there is none."""
        scheme, host, port, path = _parse(url)
        found = await self._addresses(host, port)
        if f"{_bracketed(host)}:{port}" not in self._hosts:
            for address in found:
                self._require_public(address)
        return Target(scheme, host, port, path, str(found[0]))

    async def _addresses(self, host: str, port: int) -> list[Address]:
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT_S):
                texts = await self._resolve(host, port)
        except (OSError, UnicodeError, TimeoutError) as error:
            raise TargetError("unresolved", f"The name {host!r} cannot be resolved.") from error
        if not texts:
            raise TargetError("unresolved", f"The name {host!r} has no address.")
        return [ip_address(text.partition("%")[0]) for text in texts]

    def _require_public(self, address: Address) -> None:
        """Refuse what is not a public unicast address, by each address it may stand for, unless a network allows it."""
        meant = _meant(address)
        if any(meant.version == network.version and meant in network for network in self._networks):
            return
        if not meant.is_global or meant.is_multicast or (isinstance(meant, IPv6Address) and any(meant in net for net in _TRANSLATED)):
            raise TargetError("not_public", f"{address} is not a public address; allow it in the settings if it is meant.")
        if _is_own(meant):
            raise TargetError("own", f"{address} is this station itself.")

    async def send(self, target: Target, *, method: str = "POST", content: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
        """One request to the pinned address within TIMEOUT_S. DeliveryError when there is no answer; a redirect is an answer."""
        try:
            async with asyncio.timeout(TIMEOUT_S), self.client(target) as client:
                request = client.build_request(
                    method, f"{target.scheme}://{target.netloc}{target.path}", content=content, headers=dict(headers or {})
                )
                reply = await client.send(request, stream=True)
                try:
                    return await _bounded(reply)
                finally:
                    await reply.aclose()
        except TimeoutError as error:
            raise DeliveryError(f"{target.netloc} did not answer within {TIMEOUT_S:.0f} s.") from error
        except httpx.HTTPError as error:
            raise DeliveryError(f"{target.netloc}: {type(error).__name__}: {error}"[:500]) from error

    def client(self, target: Target) -> httpx.AsyncClient:
        """A client for this one target: no redirects, no proxy or credentials from the environment."""
        self._tls = self._tls or ssl.create_default_context()
        transport = PinnedTransport(target, httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False))
        headers = {"Accept-Encoding": "identity", "User-Agent": "trunkline"}
        return httpx.AsyncClient(transport=transport, headers=headers, follow_redirects=False, trust_env=False, timeout=TIMEOUT_S)

    async def post(self, url: str, content: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """Check and send in one: the way to deliver to a URL from a table."""
        return await self.send(await self.check(url), content=content, headers=headers)


class PinnedTransport(httpx.AsyncBaseTransport):
    """Connects to the target's address whatever the name means by now; Host header, SNI and certificate check keep the name."""

    def __init__(self, target: Target, inner: httpx.AsyncBaseTransport) -> None:
        self._target = target
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if (request.url.scheme, request.url.raw_host.decode(), request.url.port or _PORTS[request.url.scheme]) != (
            self._target.scheme,
            self._target.host,
            self._target.port,
        ):
            raise httpx.UnsupportedProtocol("The request is for another target than the one that was checked.", request=request)
        request.url = request.url.copy_with(host=self._target.address)
        request.extensions = {**request.extensions, "sni_hostname": self._target.host}
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


async def resolve(host: str, port: int) -> list[str]:
    """Every address of a name. The system's resolver also reads the old number forms (`2130706433`, `0177.1`)."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def _bounded(reply: httpx.Response) -> Reply:
    body = bytearray()
    async for chunk in reply.aiter_raw():  # raw: a compressed answer is not unpacked, so it cannot grow
        body += chunk
        if len(body) > REPLY_MAX:
            return Reply(reply.status_code, bytes(body[:REPLY_MAX]), True)
    return Reply(reply.status_code, bytes(body), False)


def _parse(url: str) -> tuple[str, str, int, str]:
    if len(url) > URL_MAX or any(c <= " " or c in "\\\x7f" for c in url):
        raise TargetError("malformed", "This is not a URL: it is too long, or has spaces, backslashes or control characters.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise TargetError("malformed", "This is not a URL.") from error
    if parts.scheme not in _PORTS:
        raise TargetError("scheme", "Only http and https are sent to.")
    if not host or "%" in host:
        raise TargetError("malformed", "The URL names no host.")
    if parts.username is not None or parts.password is not None:
        raise TargetError("credentials", "A URL with a user name or password is not taken; put the secret into a header.")
    if port == 0:
        raise TargetError("malformed", "Port 0 is no port.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, _ascii(host.rstrip(".")), port or _PORTS[parts.scheme], path


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _ascii(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise TargetError("malformed", "The host name is not one.") from error


def _meant(address: Address) -> Address:
    """The address a connection really reaches: IPv4 in IPv6 clothes is IPv4."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in IPv6Network("::/96") and int(address) > 1:
            return IPv4Address(int(address))
    return address


def _is_own(address: Address) -> bool:
    """Whether the address is one of this machine's: only those can be bound to."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
