"""Keys, digests and ciphers against the vectors of the RFCs, and against themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.codecs import usm
from collectors.codecs.ber import DecodeError
from collectors.codecs.usm import Auth, Parameters, Priv
from collectors.snmp.credentials import SnmpCredential

ENGINE = bytes.fromhex("000000000000000000000002")


@pytest.mark.parametrize(
    ("auth", "key"),
    [
        (Auth.MD5, "526f5eed9fcce26f8964c2930787d82b"),  # RFC 3414, A.3.1
        (Auth.SHA1, "6695febc9288e36282235fc7151f128497b38f3f"),  # RFC 3414, A.3.2
    ],
)
def test_the_localised_keys_of_rfc_3414(auth: Auth, key: str) -> None:
    assert usm.localised_keys(auth, "maplesyrup", None, "", ENGINE).auth_key.hex() == key


def test_the_aes_256_key_of_reeders_draft() -> None:
    # draft-reeder-snmpv3-usm-3desede-00, B.2: the first 32 octets of its SHA-1 chain
    keys = usm.localised_keys(Auth.SHA1, "maplesyrup", Priv.AES256_REEDER, "maplesyrup", ENGINE)
    assert keys.priv_key.hex() == "6695febc9288e36282235fc7151f128497b38f3f9b8b6d78936ba6e7d19dfd9c"


@given(st.sampled_from(list(Auth)), st.sampled_from(list(Priv)), st.binary(min_size=1, max_size=300), st.integers(0, 2**64 - 1))
def test_decrypt_after_encrypt_is_identity(auth: Auth, priv: Priv, scoped: bytes, salt: int) -> None:
    keys = usm.localised_keys(auth, "authentic-1234", priv, "private-5678", ENGINE)
    encrypted, salt_field = usm.encrypt(keys, scoped, 3, 77, salt)
    parameters = Parameters(ENGINE, 3, 77, b"user", b"", salt_field)
    assert usm.decrypt(keys, encrypted, parameters)[: len(scoped)] == scoped


@pytest.mark.parametrize("auth", list(Auth))
def test_a_flipped_bit_fails_the_digest(auth: Auth) -> None:
    keys = usm.localised_keys(auth, "authentic-1234", None, "", ENGINE)
    blank = Parameters(ENGINE, 1, 2, b"user", bytes(usm.DIGEST_OCTETS[auth]))
    message = usm.sign(keys, b"head" + usm.encode_parameters(blank) + b"tail")
    parameters = usm.decode_parameters(message[4:-4])
    assert usm.verify(keys, message, parameters)
    assert not usm.verify(keys, message[:-1] + b"m", parameters)
    short = Parameters(ENGINE, 1, 2, b"user", parameters.digest[:1])  # CVE-2008-0960
    assert not usm.verify(keys, message, short)


@given(st.binary(max_size=100))
def test_any_security_parameters_decode_or_raise(data: bytes) -> None:
    try:
        usm.decode_parameters(data)
    except DecodeError:
        return


def test_secrets_stay_out_of_representations() -> None:
    credential = SnmpCredential("3", "community-x", "u", "sha256", "auth-secret", "aes128", "priv-secret")
    keys = usm.localised_keys(Auth.SHA256, "auth-secret", Priv.AES128, "priv-secret", ENGINE)
    shown = repr(credential) + repr(keys)
    assert not any(secret in shown for secret in ("community-x", "auth-secret", "priv-secret", keys.auth_key.hex(), repr(keys.auth_key)))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"version": "4"}, "SNMP version '4'"),
        ({"version": "3"}, "needs a user"),
        ({"version": "3", "user": "u", "auth_protocol": "sha256", "auth_password": "short"}, "8 octets"),
        ({"version": "3", "user": "u", "priv_protocol": "aes128", "priv_password": "long-enough"}, "privacy needs authentication"),
    ],
)
def test_a_credential_says_what_it_misses(fields: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SnmpCredential(**fields)
