"""The user-based security model of SNMPv3 (RFC 3414): keys, digests and encryption. Pure, no I/O.

HMAC-SHA-2 by RFC 7860, AES-128 by RFC 3826. AES-192 and AES-256 are no standard: both key extensions seen
in the field are here, Blumenthal's (draft-blumenthal-aes-usm-04) and Reeder's (draft-reeder-snmpv3-usm-3desede-00).
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any, Final

from collectors.codecs import ber
from collectors.codecs.ber import DecodeError

PASSWORD_OCTETS_MIN = 8  # RFC 3414, 11.2
_EXPANDED: Final = 1_048_576  # RFC 3414, A.2
_MASTER_KEYS = 4096
_LOCAL_KEYS = 65_536
_MAX_ENGINE_ID = 32
_MAX_USER = 32
MAX_BOOTS: Final = 0x7FFF_FFFF
TIME_WINDOW_S: Final = 150  # RFC 3414, 3.2, step 7


class Auth(StrEnum):
    """Authentication protocols."""

    MD5 = "md5"
    SHA1 = "sha1"
    SHA224 = "sha224"
    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"


class Priv(StrEnum):
    """Privacy protocols; the suffix names the key extension of the two without a standard."""

    DES = "des"
    AES128 = "aes128"
    AES192 = "aes192"
    AES256 = "aes256"
    AES192_REEDER = "aes192-reeder"
    AES256_REEDER = "aes256-reeder"


DIGEST_OCTETS: Final = {Auth.MD5: 12, Auth.SHA1: 12, Auth.SHA224: 16, Auth.SHA256: 24, Auth.SHA384: 32, Auth.SHA512: 48}
_KEY_OCTETS: Final = {Priv.DES: 16, Priv.AES128: 16, Priv.AES192: 24, Priv.AES256: 32, Priv.AES192_REEDER: 24, Priv.AES256_REEDER: 32}


@dataclass(frozen=True, slots=True)
class Parameters:
    """UsmSecurityParameters (RFC 3414, 2.4); `digest` and `salt` are empty where the level has none."""

    engine_id: bytes
    boots: int
    time_s: int
    user: bytes
    digest: bytes = b""
    salt: bytes = b""


@dataclass(frozen=True, slots=True)
class Keys:
    """The localised keys of one user on one engine; never the passwords."""

    auth: Auth | None = None
    priv: Priv | None = None
    auth_key: bytes = field(default=b"", repr=False)
    priv_key: bytes = field(default=b"", repr=False)


def decode_parameters(data: bytes) -> Parameters:
    """UsmSecurityParameters, or DecodeError."""
    start, stop = ber.expect(data, 0, len(data), ber.SEQUENCE)
    engine_id, pos = ber.read_octets(data, start, stop)
    boots, pos = ber.read_integer(data, pos, stop)
    time_s, pos = ber.read_integer(data, pos, stop)
    user, pos = ber.read_octets(data, pos, stop)
    digest, pos = ber.read_octets(data, pos, stop)
    salt, pos = ber.read_octets(data, pos, stop)
    if pos != stop or stop != len(data) or len(engine_id) > _MAX_ENGINE_ID or len(user) > _MAX_USER:
        raise DecodeError("security", "UsmSecurityParameters")
    if not (0 <= boots <= MAX_BOOTS and 0 <= time_s <= MAX_BOOTS):
        raise DecodeError("security", "engine time")
    return Parameters(engine_id, boots, time_s, user, digest, salt)


def encode_parameters(parameters: Parameters) -> bytes:
    """UsmSecurityParameters as octets."""
    return ber.sequence(
        (
            ber.tlv(ber.OCTET_STRING, parameters.engine_id),
            ber.encode_integer(parameters.boots),
            ber.encode_integer(parameters.time_s),
            ber.tlv(ber.OCTET_STRING, parameters.user),
            ber.tlv(ber.OCTET_STRING, parameters.digest),
            ber.tlv(ber.OCTET_STRING, parameters.salt),
        )
    )


def localised_keys(auth: Auth | None, auth_password: str, priv: Priv | None, priv_password: str, engine_id: bytes) -> Keys:
    """The keys of a user on one engine; the costly expansion of a password is done once per password."""
    if auth is None:
        return Keys()
    auth_key = _localised(auth, auth_password.encode(), engine_id)
    priv_key = b"" if priv is None else _privacy_key(auth, priv, priv_password.encode(), engine_id)
    return Keys(auth, priv, auth_key, priv_key)


@lru_cache(maxsize=_MASTER_KEYS)
def _master(auth: Auth, password: bytes) -> bytes:
    """Ku: the digest over the password repeated to 1 MB (RFC 3414, A.2)."""
    times = _EXPANDED // len(password) + 1
    return hashlib.new(auth, (password * times)[:_EXPANDED], usedforsecurity=False).digest()


@lru_cache(maxsize=_LOCAL_KEYS)
def _localised(auth: Auth, password: bytes, engine_id: bytes) -> bytes:
    """Kul (RFC 3414, 2.6)."""
    master = _master(auth, password)
    return hashlib.new(auth, master + engine_id + master, usedforsecurity=False).digest()


@lru_cache(maxsize=_LOCAL_KEYS)
def _privacy_key(auth: Auth, priv: Priv, password: bytes, engine_id: bytes) -> bytes:
    """The privacy key, extended where the digest is shorter than the cipher wants."""
    key = last = _localised(auth, password, engine_id)
    octets = _KEY_OCTETS[priv]
    while len(key) < octets:
        if priv in (Priv.AES192_REEDER, Priv.AES256_REEDER):
            last = _localised(auth, last, engine_id)
        else:
            last = hashlib.new(auth, key, usedforsecurity=False).digest()
        key += last
    return key[:octets]


def digest_of(keys: Keys, message: bytes) -> bytes:
    """The truncated HMAC over a whole message whose digest field is zero."""
    assert keys.auth is not None
    return hmac.digest(keys.auth_key, message, keys.auth.value)[: DIGEST_OCTETS[keys.auth]]


def sign(keys: Keys, message: bytes) -> bytes:
    """The message with its digest filled in; its digest field must hold zeros and be its first run of so many."""
    assert keys.auth is not None
    blank = bytes(DIGEST_OCTETS[keys.auth])
    at = message.index(bytes((ber.OCTET_STRING, len(blank))) + blank) + 2
    return message[:at] + digest_of(keys, message) + message[at + len(blank) :]


def verify(keys: Keys, message: bytes, parameters: Parameters) -> bool:
    """Whether a received message carries the right digest, of exactly the right length."""
    assert keys.auth is not None
    digest = parameters.digest
    if len(digest) != DIGEST_OCTETS[keys.auth]:
        return False
    at = message.find(digest)  # a copy of 12 and more digest octets further ahead cannot be made to verify
    blank = message[:at] + bytes(len(digest)) + message[at + len(digest) :]
    return hmac.compare_digest(digest_of(keys, blank), digest)


def encrypt(keys: Keys, scoped: bytes, boots: int, time_s: int, salt: int) -> tuple[bytes, bytes]:
    """(encrypted octets, salt field); `salt` must differ between messages of one key."""
    assert keys.priv is not None
    if keys.priv is Priv.DES:
        field_ = (boots & 0xFFFF_FFFF).to_bytes(4) + (salt & 0xFFFF_FFFF).to_bytes(4)
        padded = scoped + bytes(-len(scoped) % 8)
        return _des(keys.priv_key, field_, padded, encrypting=True), field_
    field_ = (salt & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8)
    return _aes(keys.priv_key, boots, time_s, field_, scoped, encrypting=True), field_


def decrypt(keys: Keys, encrypted: bytes, parameters: Parameters) -> bytes:
    """The scoped PDU, perhaps with padding after it, or DecodeError."""
    assert keys.priv is not None
    if len(parameters.salt) != 8:
        raise DecodeError("security", f"salt of {len(parameters.salt)} octets")
    if keys.priv is Priv.DES:
        if not encrypted or len(encrypted) % 8:
            raise DecodeError("security", f"{len(encrypted)} octets of DES")
        return _des(keys.priv_key, parameters.salt, encrypted, encrypting=False)
    return _aes(keys.priv_key, parameters.boots, parameters.time_s, parameters.salt, encrypted, encrypting=False)


def _aes(key: bytes, boots: int, time_s: int, salt: bytes, data: bytes, *, encrypting: bool) -> bytes:
    """AES in CFB128 mode; the IV is boots, time and salt (RFC 3826, 3.1.2.1)."""
    cipher_of, mode, key_of = _aes_parts()
    cipher = cipher_of(key_of(key), mode(boots.to_bytes(4) + time_s.to_bytes(4) + salt))
    return bytes((cipher.encryptor() if encrypting else cipher.decryptor()).update(data))


@cache
def _aes_parts() -> tuple[Any, Any, Callable[[bytes], Any]]:
    """The cipher, its mode and its keys by their octets: loaded when first needed, keys checked once each."""
    from cryptography.hazmat.decrepit.ciphers.modes import CFB
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES

    return Cipher, CFB, lru_cache(maxsize=_MASTER_KEYS)(AES)


def _des(key: bytes, salt: bytes, data: bytes, *, encrypting: bool) -> bytes:
    """DES in CBC mode; the IV is the pre-IV of the key xor the salt (RFC 3414, 8.1.1.1). DES is 3DES with one key thrice."""
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.modes import CBC

    iv = bytes(a ^ b for a, b in zip(key[8:16], salt, strict=True))
    cipher = Cipher(TripleDES(key[:8] * 3), CBC(iv))
    step = cipher.encryptor() if encrypting else cipher.decryptor()
    return step.update(data) + step.finalize()
