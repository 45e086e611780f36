"""The compiled digests and ciphers against the vectors of their standards and two other libraries; v3 messages against `usm`."""

import hmac
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.codecs import aes_kernels, digest_kernels, snmp, usm
from collectors.codecs.snmp import TIME_TICKS, Pdu, PduType, VarBind
from collectors.codecs.usm import DIGEST_OCTETS, Auth, Parameters, Priv
from collectors.datagrams import RECEIVE_SLOT, SEND_SLOT, Datagrams, sockaddr
from collectors.snmp import wire_state as state
from collectors.snmp.client import Limits
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.plan import SYS_UPTIME, Item, build
from collectors.snmp.security import ReportError, UserSecurity
from collectors.snmp.sheets import Envelope
from collectors.snmp.wire import Wire, warm

warm()
FEW = settings(max_examples=3 if os.environ.get("NUMBA_DISABLE_JIT") else 60)
ENGINE = bytes.fromhex("80001f8804") + b"router-7"
NAME = sockaddr("192.0.2.1", 161)
SECONDS = 1_000_000_000
PLAN = build([Item((1, 3, 6, 1, 9, i), i) for i in range(1, 4)], varbinds_max=60)
RECEIVED, SENT = Datagrams(RECEIVE_SLOT, 1), Datagrams(SEND_SLOT, 1)


@pytest.fixture(scope="module", autouse=True)
def _modular() -> Iterator[None]:
    """Where the steps run as Python, additions modulo 2^64 are told of."""
    with np.errstate(over="ignore"):
        yield


def cfb(key: bytes, iv: bytes, data: bytes, *, encrypting: bool) -> bytes:
    """By the compiled steps."""
    schedule, out = np.zeros(aes_kernels.KEY_WORDS, np.uint32), np.zeros(len(data) + 1, np.uint8)
    rounds = aes_kernels.expand(np.frombuffer(key, np.uint8), schedule)
    low, high = np.frombuffer(iv, "<u8")
    aes_kernels.cfb(encrypting, schedule, rounds, low, high, np.frombuffer(data, np.uint8), 0, len(data), out, 0)
    return out[:-1].tobytes()


def digest(name: str, key: bytes, data: bytes, at: int = 0) -> bytes:
    """The HMAC by the compiled steps, of data that lies at `at` of its buffer."""
    kind, room = digest_kernels.KINDS[name], digest_kernels.PADDING
    inner, outer = np.zeros(8, np.uint64), np.zeros(8, np.uint64)
    words, out = np.zeros(digest_kernels.SCRATCH_WORDS, np.uint64), np.zeros(room, np.uint8)
    buffer = np.frombuffer(bytes(at) + data + bytes(room), np.uint8).copy()
    digest_kernels.states_of(kind, np.frombuffer(key, np.uint8), inner, outer, out, words)
    digest_kernels.hmac(kind, inner, outer, buffer, at, len(data), out, words)
    return out[: hmac.new(b"", b"", name).digest_size].tobytes()


@pytest.mark.parametrize(
    ("key", "ciphertext"),
    [  # SP 800-38A, F.3.13, F.3.15, F.3.17
        ("2b7e151628aed2a6abf7158809cf4f3c", "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b"),
        ("8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", "cdc80d6fddf18cab34c25909c99a417467ce7f7f81173621961a2b70171d3d7a"),
        (
            "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
            "dc7e84bfda79164b7ecd8486985d386039ffed143b28b1c832113c6331e5407b",
        ),
    ],
)
def test_aes_of_sp_800_38a(key: str, ciphertext: str) -> None:
    plain = bytes.fromhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
    iv = bytes(range(16))
    assert cfb(bytes.fromhex(key), iv, plain, encrypting=True).hex() == ciphertext
    assert cfb(bytes.fromhex(key), iv, bytes.fromhex(ciphertext), encrypting=False) == plain


@pytest.mark.parametrize(
    ("name", "key", "expected"),
    [  # RFC 2202, 2 and 3, case 2; RFC 4231, 4.3: "what do ya want for nothing?" under the key "Jefe"
        ("md5", "4a656665", "750c783e6ab0b503eaa86e310a5db738"),
        ("sha1", "4a656665", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        ("sha224", "4a656665", "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44"),
        ("sha256", "4a656665", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    ],
)
def test_hmac_of_rfc_2202_and_rfc_4231(name: str, key: str, expected: str) -> None:
    assert digest(name, bytes.fromhex(key), b"what do ya want for nothing?").hex() == expected


@FEW
@given(st.sampled_from([16, 24, 32]), st.binary(min_size=48, max_size=48), st.binary(max_size=200))
def test_aes_is_what_another_library_makes_of_it(octets: int, secrets: bytes, data: bytes) -> None:
    key, iv = secrets[:octets], secrets[32:]
    encrypted = Cipher(AES(key), CFB(iv)).encryptor().update(data)
    assert cfb(key, iv, data, encrypting=True) == encrypted
    assert cfb(key, iv, encrypted, encrypting=False) == data


@FEW
@given(st.sampled_from(sorted(digest_kernels.KINDS)), st.binary(max_size=64), st.binary(max_size=400), st.integers(0, 9))
def test_hmac_is_what_hashlib_makes_of_it(name: str, key: bytes, data: bytes, at: int) -> None:
    assert digest(name, key, data, at) == hmac.digest(key, data, name)


@FEW
@given(st.binary(min_size=64, max_size=64), st.binary(min_size=32, max_size=32), st.sampled_from([16, 24, 32]), st.booleans())
def test_the_processors_instructions_do_what_the_portable_steps_do(block: bytes, secrets: bytes, octets: int, encrypting: bool) -> None:
    data, words = np.frombuffer(block, np.uint8), np.zeros(digest_kernels.SCRATCH_WORDS, np.uint64)
    mine, other = (np.arange(8, dtype=np.uint64) * np.uint64(0x1234567) for _ in range(2))
    digest_kernels._blocks(digest_kernels.SHA256, mine, data, 0, 1, words)
    digest_kernels.portable_sha256_block(other, data, 0, words)
    assert mine.tolist() == other.tolist()
    schedule, out = np.zeros(aes_kernels.KEY_WORDS, np.uint32), np.zeros(16, np.uint8)
    rounds = aes_kernels.expand(np.frombuffer(secrets[:octets], np.uint8), schedule)
    low, high = np.frombuffer(secrets[:16], "<u8")
    aes_kernels.portable_cfb_block(encrypting, schedule, rounds, low, high, data, 0, out, 0)
    assert out.tobytes() == cfb(secrets[:octets], secrets[:16], block[:16], encrypting=encrypting)


@dataclass
class Sealed:
    """One v3 agent on a wire without a socket: what it is asked, and its answers."""

    auth: Auth | None
    priv: Priv | None
    time_s: int = 1000
    context: str = ""

    def __post_init__(self) -> None:
        auth, priv = self.auth.value if self.auth else "", self.priv.value if self.priv else ""
        self.user = SnmpCredential(
            version="3",
            user="ops",
            auth_protocol=auth,
            auth_password="authentic-1" if auth else "",
            priv_protocol=priv,
            priv_password="private-12" if priv else "",
            context=self.context,
        )
        self.keys = usm.localised_keys(self.user.auth, self.user.auth_password, self.user.priv, self.user.priv_password, ENGINE)
        self.security = UserSecurity(self.user, lambda: 0.0)
        self.wire = Wire(1)
        self.agent = self.wire.join(NAME, 7, Limits(), self.wire.sheets.add(PLAN, Envelope(3)))
        self._learn()
        self.wire.secure(self.agent, self.security.terms(), 0)
        self.wire.begin(self.agent, 0, 30.0, outstanding=1)
        self.flight = int(self.wire.sends[0])
        self.request_id = int(self.wire.flight(self.flight)["id"])

    def _learn(self) -> None:
        report = self.seal(1, Pdu(PduType.REPORT, 1, varbinds=(VarBind((1, 3, 6, 1, 6, 3, 15, 1, 1, 4, 0), TIME_TICKS, 1),)), clear=True)
        with pytest.raises(ReportError):
            self.security.open(report)
        with_time = self.seal(2, Pdu(PduType.RESPONSE, 2))
        self.security.open(with_time)

    def seal(self, msg_id: int, pdu: Pdu, *, clear: bool = False, boots: int = 3) -> bytes:
        """A message of the agent, as its own software makes it."""
        keys = usm.Keys() if clear else self.keys
        scoped, salt = snmp.encode_scoped(snmp.ScopedPdu(ENGINE, self.context.encode(), pdu)), b""
        if keys.priv:
            scoped, salt = usm.encrypt(keys, scoped, boots, self.time_s, 99)
        blank = bytes(DIGEST_OCTETS[keys.auth]) if keys.auth else b""
        security = usm.encode_parameters(Parameters(ENGINE, boots, self.time_s, b"ops", blank, salt))
        flags = (1 if keys.auth else 0) | (2 if keys.priv else 0)
        message = snmp.encode_v3(snmp.V3Frame(msg_id, 65_507, flags, snmp.SECURITY_USM, security, scoped))
        return usm.sign(keys, message) if keys.auth else message

    def packed(self, now_ns: int = 0) -> bytes:
        """The message to the agent, b"" where it must be made outside."""
        table = SENT.payload, SENT.slot, SENT.headers, SENT.iovecs, SENT.names
        self.wire.pack(table, self.wire.sends, 0, 1, now_ns)
        return SENT.payload[: int(SENT.iovecs[1])].tobytes()

    def answer(self) -> bytes:
        cells = [VarBind(SYS_UPTIME, TIME_TICKS, 4711), *(VarBind((1, 3, 6, 1, 9, i), snmp.GAUGE32, i) for i in range(1, 4))]
        return self.seal(self.request_id, Pdu(PduType.RESPONSE, self.request_id, varbinds=tuple(cells)))

    def hear(self, data: bytes, now_ns: int = SECONDS) -> bool:
        """Whether an answer was taken in by the compiled steps; what they do not take in they leave to `security`."""
        RECEIVED.payload[: len(data)] = np.frombuffer(data, np.uint8)
        RECEIVED.headers[14] = len(data)
        RECEIVED.names[: len(NAME)] = np.frombuffer(NAME, np.uint8)
        self.wire.arrived((RECEIVED.payload, RECEIVED.slot, RECEIVED.headers, RECEIVED.names), 0, 1, now_ns, 10**18)
        self.wire.events()
        return int(self.wire.counters[state.REPLIES]) > 0


LEVELS = [(None, None), *((auth, None) for auth in Auth), *((Auth.SHA256, priv) for priv in Priv), (Auth.MD5, Priv.AES128)]
COMPILED = [(auth, priv) for auth, priv in LEVELS if priv is not Priv.DES]


@pytest.mark.parametrize(("auth", "priv"), COMPILED)
@pytest.mark.parametrize("time_s", [1, 200, 70_000, 20_000_000])
def test_a_compiled_message_is_one_that_the_agents_software_opens(auth: Auth | None, priv: Priv | None, time_s: int) -> None:
    sealed = Sealed(auth, priv, time_s, context="vrf-blue")
    message = sealed.packed(now_ns=5 * SECONDS)
    frame = snmp.decode_v3(message)
    parameters = usm.decode_parameters(frame.security)
    level = (1 if auth else 0) | (2 if priv else 0)
    assert (frame.msg_id, frame.flags, frame.security_model) == (sealed.request_id, level | 4, 3)
    assert (parameters.engine_id, parameters.boots, parameters.user) == (ENGINE, 3, b"ops")
    assert parameters.time_s == time_s + 5
    assert auth is None or usm.verify(sealed.keys, message, parameters)
    scoped = snmp.decode_scoped(usm.decrypt(sealed.keys, frame.scoped, parameters) if priv else frame.scoped)
    assert (scoped.engine_id, scoped.context, scoped.pdu.request_id) == (ENGINE, b"vrf-blue", sealed.request_id)
    assert [varbind.oid for varbind in scoped.pdu.varbinds] == list(PLAN.oids)


def test_no_salt_is_used_twice_by_the_compiled_steps_or_by_the_others() -> None:
    sealed = Sealed(Auth.SHA256, Priv.AES128)
    messages = [sealed.packed() for _ in range(20)] + [sealed.security.seal(1 << 24, b"\xa0\0") for _ in range(20)]
    salts = {usm.decode_parameters(snmp.decode_v3(message).security).salt for message in messages}
    assert len(salts) == 40


@pytest.mark.parametrize(("auth", "priv"), COMPILED)
def test_an_answer_is_opened_by_the_compiled_steps(auth: Auth | None, priv: Priv | None) -> None:
    sealed = Sealed(auth, priv)
    assert sealed.hear(sealed.answer())
    assert sealed.wire.batch().value.tolist() == [1, 2, 3]


def test_des_and_a_long_context_are_left_to_the_others() -> None:
    for sealed in (Sealed(Auth.SHA1, Priv.DES), Sealed(Auth.SHA1, Priv.AES128, context="v" * 200)):
        assert sealed.packed() == b""
        assert not sealed.hear(sealed.answer())


@FEW
@given(st.sampled_from(COMPILED[1:]), st.integers(0, 10_000), st.integers(1, 255))
def test_an_answer_with_any_bit_bent_is_not_taken_in(level: tuple[Auth, Priv | None], at: int, bits: int) -> None:
    sealed = Sealed(*level)
    bent = bytearray(sealed.answer())
    bent[at % len(bent)] ^= bits
    assert not sealed.hear(bytes(bent))


@FEW
@given(st.sampled_from(COMPILED[1:]), st.binary(max_size=60), st.integers(0, 200))
def test_any_bytes_in_place_of_an_answer_are_left_to_the_others(level: tuple[Auth, Priv | None], data: bytes, cut: int) -> None:
    sealed = Sealed(*level)
    answer = sealed.answer()
    heard = answer[:cut] + data
    assert sealed.hear(heard) == (heard == answer)


@pytest.mark.parametrize(
    ("what", "kind", "now_s", "boots", "other_id", "clear"),
    [
        ("an hour later", PduType.RESPONSE, 3600, 3, 0, False),
        ("a restarted engine", PduType.RESPONSE, 1, 4, 0, False),
        ("a clock ahead of ours", PduType.RESPONSE, -1, 3, 0, False),
        ("in clear", PduType.RESPONSE, 1, 3, 0, True),
        ("to another request", PduType.RESPONSE, 1, 3, 1, False),
        ("a report", PduType.REPORT, 1, 3, 0, False),
    ],
)
def test_what_is_unusual_is_left_to_the_others(what: str, kind: PduType, now_s: int, boots: int, other_id: int, clear: bool) -> None:
    sealed = Sealed(Auth.SHA256, Priv.AES128)
    message = sealed.seal(sealed.request_id, Pdu(kind, sealed.request_id ^ other_id), boots=boots, clear=clear)
    assert not sealed.hear(message, now_ns=now_s * SECONDS), what


def test_the_keys_of_an_agent_that_left_are_gone() -> None:
    sealed = Sealed(Auth.SHA512, Priv.AES256)
    seal = int(sealed.wire.agent(sealed.agent)["seal"])
    assert sealed.wire._seals[seal]["schedule"].any()
    sealed.wire.abort(sealed.agent)
    sealed.wire.leave(sealed.agent)
    assert not sealed.wire._seals[seal].tobytes().strip(b"\0")


@pytest.mark.slow
def test_the_steps_do_the_same_without_a_compiler() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__, "-k", "aes or hmac or bent or opens"]
    done = subprocess.run(command, env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
