"""A collector's two keys: one proves who it is to the bus (Ed25519, as an nkey), one opens what is sealed for it (X25519).

An nkey is base32 without padding over: prefix octet(s), the 32 octets of the key, their CRC-16 (XMODEM), little-endian.
Sealed octets: `ephemeral public key 32 | nonce 12 | AES-256-GCM ciphertext`; the AES key is HKDF-SHA-256 over the shared
secret, bound to both public keys (in the manner of RFC 9180, base mode).
"""

import base64
import binascii
import os
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_OCTETS: Final = 32
_USER: Final = 20 << 3  # an nkey of a user begins with U
_NONCE: Final = 12
_ABOUT: Final = b"trunkline sealed 1"


class SealError(Exception):
    """Octets that are no key, or were not sealed for this one."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Both private keys of one collector."""

    signing: bytes = field(repr=False)
    opening: bytes = field(repr=False)

    @classmethod
    def fresh(cls) -> Self:
        return cls(os.urandom(KEY_OCTETS), os.urandom(KEY_OCTETS))

    @property
    def user(self) -> str:
        """The public nkey by which the bus knows the collector."""
        return nkey(Ed25519PrivateKey.from_private_bytes(self.signing).public_key().public_bytes_raw())

    @property
    def box(self) -> bytes:
        """The public key for which secrets are sealed."""
        return X25519PrivateKey.from_private_bytes(self.opening).public_key().public_bytes_raw()

    def sign(self, nonce: str) -> bytes:
        """The answer to a server's challenge, in base64."""
        return base64.b64encode(Ed25519PrivateKey.from_private_bytes(self.signing).sign(nonce.encode()))

    def open(self, sealed: bytes) -> bytes:
        """What was sealed for these keys; SealError for anything else."""
        if len(sealed) < KEY_OCTETS + _NONCE:
            raise SealError("too short for something sealed")
        theirs, nonce = sealed[:KEY_OCTETS], sealed[KEY_OCTETS : KEY_OCTETS + _NONCE]
        try:
            shared = X25519PrivateKey.from_private_bytes(self.opening).exchange(X25519PublicKey.from_public_bytes(theirs))
            return AESGCM(_derived(shared, theirs, self.box)).decrypt(nonce, sealed[KEY_OCTETS + _NONCE :], _ABOUT)
        except (InvalidTag, ValueError) as error:
            raise SealError("not sealed for this collector, or changed on its way") from error


def seal(plain: bytes, box: bytes) -> bytes:
    """`plain` so that only the owner of the public key `box` can open it."""
    mine = X25519PrivateKey.generate()
    shared, public, nonce = mine.exchange(X25519PublicKey.from_public_bytes(box)), mine.public_key().public_bytes_raw(), os.urandom(_NONCE)
    return public + nonce + AESGCM(_derived(shared, public, box)).encrypt(nonce, plain, _ABOUT)


def nkey(public: bytes) -> str:
    """The text by which a server knows the user with this Ed25519 key."""
    body = bytes([_USER]) + public
    return base64.b32encode(body + binascii.crc_hqx(body, 0).to_bytes(2, "little")).decode().rstrip("=")


def is_user_nkey(text: str) -> bool:
    """Whether a text is the public nkey of a user."""
    try:
        octets = base64.b32decode(text + "=" * (-len(text) % 8))
    except (ValueError, binascii.Error):
        return False
    right = len(octets) == KEY_OCTETS + 3 and octets[0] == _USER
    return right and binascii.crc_hqx(octets[:-2], 0).to_bytes(2, "little") == octets[-2:]


def _derived(shared: bytes, sender: bytes, receiver: bytes) -> bytes:
    return HKDF(SHA256(), KEY_OCTETS, salt=None, info=_ABOUT + sender + receiver).derive(shared)
