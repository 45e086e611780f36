"""Where the station may send to, and that it goes exactly there."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from station.security.targets import REPLY_MAX, DeliveryError, Guard, TargetError

PUBLIC = "93.184.216.34"


def names(**known: str) -> Guard:
    """A guard whose resolver knows these names (`_` for a dot), and numbers as the system reads them."""

    async def resolver(host: str, port: int) -> Sequence[str]:
        return known[host.replace(".", "_")].split()

    return Guard(resolver=resolver)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1/", "not_public"),
        ("http://127.1/", "not_public"),
        ("http://2130706433/", "not_public"),
        ("http://0177.0.0.1/", "not_public"),
        ("http://0x7f000001/", "not_public"),
        ("http://0/", "not_public"),
        ("http://localhost:8080/", "not_public"),
        ("http://[::1]/", "not_public"),
        ("http://[::]/", "not_public"),
        ("http://[::ffff:127.0.0.1]/", "not_public"),
        ("http://[::ffff:7f00:1]/", "not_public"),
        ("http://[::ffff:169.254.169.254]/", "not_public"),
        ("http://[::127.0.0.1]/", "not_public"),
        ("http://[64:ff9b::7f00:1]/", "not_public"),
        ("http://[2002:7f00:1::]/", "not_public"),
        ("http://[fe80::1]/", "not_public"),
        ("http://[fd00::1]/", "not_public"),
        ("http://[ff02::1]/", "not_public"),
        ("http://10.0.0.1/", "not_public"),
        ("http://172.16.0.1/", "not_public"),
        ("http://192.168.1.1/", "not_public"),
        ("http://100.64.0.1/", "not_public"),
        ("http://169.254.169.254/latest/meta-data", "not_public"),
        ("http://224.0.0.1/", "not_public"),
        ("http://255.255.255.255/", "not_public"),
        ("gopher://example.com/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("ftp://example.com/", "scheme"),
        ("example.com", "scheme"),
        ("http://user:pass@93.184.216.34/", "credentials"),
        ("http://93.184.216.34@127.0.0.1/", "credentials"),
        ("http://", "malformed"),
        ("http:///path", "malformed"),
        ("http://93.184.216.34:0/", "malformed"),
        ("http://93.184.216.34:99999/", "malformed"),
        ("http://93.184.216.34\\@127.0.0.1/", "malformed"),
        ("http://93.184.216.34/\r\nHost: evil", "malformed"),
        ("http://[::1", "malformed"),
        ("http://[fe80::1%25eth0]/", "malformed"),
        ("http://" + "a" * 3000, "malformed"),
    ],
)
async def test_an_inner_or_malformed_target_is_refused(url: str, reason: str) -> None:
    with pytest.raises(TargetError) as refused:
        await Guard().check(url)
    assert refused.value.reason == reason


async def test_a_name_with_one_inner_address_among_public_ones_is_refused() -> None:
    guard = names(mixed_example=f"{PUBLIC} 10.0.0.1", public_example=PUBLIC)
    with pytest.raises(TargetError):
        await guard.check("https://mixed.example/")
    target = await guard.check("https://Public.Example./hook?a=1#fragment")
    assert (target.scheme, target.host, target.port, target.path, target.address) == ("https", "public.example", 443, "/hook?a=1", PUBLIC)


async def test_a_name_is_resolved_once_so_that_a_second_answer_leads_nowhere() -> None:
    answers = iter([[PUBLIC], ["127.0.0.1"]])

    async def rebinding(host: str, port: int) -> Sequence[str]:
        return next(answers)

    guard = Guard(resolver=rebinding)
    assert (await guard.check("http://rebind.example/")).address == PUBLIC
    with pytest.raises(TargetError):
        await guard.check("http://rebind.example/")


async def test_an_unknown_name_is_refused_as_such() -> None:
    async def nothing(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    for guard in (Guard(resolver=nothing), names(x="")):
        with pytest.raises(TargetError) as refused:
            await guard.check("http://x/")
        assert refused.value.reason == "unresolved"


@pytest.mark.parametrize(
    ("allow", "url", "allowed"),
    [
        ("127.0.0.1:9000", "http://127.0.0.1:9000/", True),
        ("127.0.0.1:9000", "http://127.0.0.1:9001/", False),
        ("[::1]:9000", "http://[::1]:9000/", True),
        ("10.0.0.0/8", "http://10.1.2.3/", True),
        ("10.0.0.0/8", "http://[::ffff:10.1.2.3]/", True),
        ("10.0.0.0/8", "http://192.168.0.1/", False),
        ("localhost:9000", "http://LOCALHOST:9000/", True),
    ],
)
async def test_what_is_allowed_by_name_and_port_or_by_network_passes(allow: str, url: str, allowed: bool) -> None:
    guard = Guard([allow])
    if allowed:
        assert ip_address((await guard.check(url)).address)
    else:
        with pytest.raises(TargetError):
            await guard.check(url)


@given(st.text(max_size=60))
async def test_any_text_is_a_target_or_refused(text: str) -> None:
    async def nothing(host: str, port: int) -> Sequence[str]:
        return []

    with pytest.raises(TargetError):
        await Guard(resolver=nothing).check(f"http://{text}")


@asynccontextmanager
async def server(answer: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server on loopback that keeps what it hears and answers with these octets."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
        heard.append(head + await reader.readexactly(int(lengths[0]) if lengths else 0))
        writer.write(answer)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with listening:
        yield listening.sockets[0].getsockname()[1], heard


def at_loopback(port: int, tls: ssl.SSLContext | None = None) -> Guard:
    async def resolver(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    return Guard([f"hook.example:{port}"], resolver=resolver, tls=tls)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_a_post_reaches_the_pinned_address_under_its_own_name() -> None:
    async with server(OK) as (port, heard):
        reply = await at_loopback(port).post(f"http://hook.example:{port}/in?x=1", b'{"a":1}', {"Content-Type": "application/json"})
    assert (reply.status, reply.body, reply.truncated) == (200, b"ok", False)
    assert heard[0].startswith(b"POST /in?x=1 HTTP/1.1\r\n") and heard[0].endswith(b'\r\n\r\n{"a":1}')
    assert f"Host: hook.example:{port}\r\n".encode() in heard[0]


async def test_a_redirect_is_reported_and_not_followed() -> None:
    redirect = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
    async with server(redirect) as (port, heard):
        reply = await at_loopback(port).post(f"http://hook.example:{port}/", b"")
    assert (reply.status, len(heard)) == (302, 1)


async def test_a_long_answer_is_cut() -> None:
    async with server(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (3 * REPLY_MAX)) as (port, _):
        reply = await at_loopback(port).post(f"http://hook.example:{port}/", b"")
    assert (len(reply.body), reply.truncated) == (REPLY_MAX, True)


async def test_an_endpoint_that_is_down_or_talks_nonsense_is_a_delivery_error() -> None:
    async with server(b"220 smtp ready\r\n") as (port, _):
        guard = at_loopback(port)
        with pytest.raises(DeliveryError):
            await guard.post(f"http://hook.example:{port}/", b"")
    with pytest.raises(DeliveryError, match=r"hook\.example"):
        await guard.post(f"http://hook.example:{port}/", b"")


async def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with server(OK) as (port, _):
        assert (await at_loopback(port).post(f"http://hook.example:{port}/", b"")).status == 200


async def test_the_client_goes_nowhere_else() -> None:
    async with server(OK) as (port, heard):
        guard = at_loopback(port)
        async with guard.client(await guard.check(f"http://hook.example:{port}/")) as client:
            with pytest.raises(Exception, match="another target"):
                await client.get(f"http://127.0.0.1:{port}/")
    assert heard == []


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's TLS context for a fresh self-signed certificate of this name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(private + pem)
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(folder / "server.pem")
    return ours, ssl.create_default_context(cadata=pem.decode())


async def test_tls_checks_the_name_not_the_address(tmp_path: Path) -> None:
    ours, theirs = certificate(tmp_path, "hook.example")
    async with server(OK, ours) as (port, _):
        assert (await at_loopback(port, theirs).post(f"https://hook.example:{port}/", b"")).status == 200
        with pytest.raises(DeliveryError):
            await at_loopback(port).post(f"https://hook.example:{port}/", b"")


async def test_tls_refuses_a_certificate_of_another_name(tmp_path: Path) -> None:
    ours, theirs = certificate(tmp_path, "other.example")
    async with server(OK, ours) as (port, _):
        with pytest.raises(DeliveryError):
            await at_loopback(port, theirs).post(f"https://hook.example:{port}/", b"")
