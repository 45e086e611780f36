"""A certificate authority made at each start, and a server certificate for each device that speaks TLS.

Only the CA's certificate (`ca.pem`) and, for clients that pin, each server's are written; private keys stay in memory.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from simulator.world import Device

VALID = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Identity:
    """A server's private key and certificate, PEM."""

    key: bytes
    certificate: bytes


class Authority:
    """A fresh certificate authority; its certificate is written to `folder`/ca.pem."""

    def __init__(self, folder: Path, now: datetime) -> None:
        self._folder, self._now = folder, now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("Trunkline simulated network CA")
        basic = x509.BasicConstraints(ca=True, path_length=0)
        certificate = self._builder(self._name, self._key).add_extension(basic, critical=True).sign(self._key, SHA256())
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "ca.pem"
        self.file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def identity(self, device: Device) -> Identity:
        """A certificate for a device's name and address, written to `<name>.pem`."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(device.name), x509.IPAddress(IPv4Address(device.address))])
        certificate = self._builder(_name(device.name), key).add_extension(names, critical=False).sign(self._key, SHA256())
        pem = certificate.public_bytes(Encoding.PEM)
        (self._folder / f"{device.name}.pem").write_bytes(pem)
        return Identity(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), pem)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - timedelta(hours=1))
            .not_valid_after(self._now + VALID)
        )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def authority(folder: Path, now_ns: int) -> Authority:
    return Authority(folder, datetime.fromtimestamp(now_ns // 1_000_000_000, UTC))
