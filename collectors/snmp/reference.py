"""The reference: one GET by pysnmp, for agents that our own client cannot talk to and as a cross-check of what it reads.

Slow (thousands of varbinds a CPU-second where ours reads millions) and complete; never on the poll path.
"""

from collections.abc import Sequence
from typing import Any, Final

from collectors.snmp.client import SnmpError
from collectors.snmp.credentials import SnmpCredential

TIMEOUT_S: Final = 2.0
RETRIES: Final = 1


async def get(address: str, port: int, credential: SnmpCredential, oids: Sequence[str]) -> list[tuple[str, str]]:
    """(OID, value as text) of each name; SnmpError with the agent's or the library's own words."""
    from pysnmp.hlapi.v3arch import asyncio as hlapi

    engine = hlapi.SnmpEngine()
    target = await hlapi.UdpTransportTarget.create((address, port), timeout=TIMEOUT_S, retries=RETRIES)
    names = [hlapi.ObjectType(hlapi.ObjectIdentity(oid)) for oid in oids]
    try:
        failure, status, _, varbinds = await hlapi.get_cmd(engine, _auth(hlapi, credential), target, hlapi.ContextData(), *names)
    finally:
        engine.close_dispatcher()
    if failure or status:
        raise SnmpError("reference", str(failure or status.prettyPrint()))
    return [(str(name), value.prettyPrint()) for name, value in varbinds]


def _auth(hlapi: Any, credential: SnmpCredential) -> Any:
    if credential.version != "3":
        return hlapi.CommunityData(credential.community, mpModel=0 if credential.version == "1" else 1)
    protocols = {
        "": hlapi.usmNoAuthProtocol,
        "md5": hlapi.usmHMACMD5AuthProtocol,
        "sha1": hlapi.usmHMACSHAAuthProtocol,
        "sha224": hlapi.usmHMAC128SHA224AuthProtocol,
        "sha256": hlapi.usmHMAC192SHA256AuthProtocol,
        "sha384": hlapi.usmHMAC256SHA384AuthProtocol,
        "sha512": hlapi.usmHMAC384SHA512AuthProtocol,
        "des": hlapi.usmDESPrivProtocol,
        "aes128": hlapi.usmAesCfb128Protocol,
        "aes192": hlapi.usmAesBlumenthalCfb192Protocol,
        "aes256": hlapi.usmAesBlumenthalCfb256Protocol,
        "aes192-reeder": hlapi.usmAesCfb192Protocol,
        "aes256-reeder": hlapi.usmAesCfb256Protocol,
    }
    return hlapi.UsmUserData(
        credential.user,
        credential.auth_password or None,
        credential.priv_password or None,
        authProtocol=protocols[credential.auth_protocol],
        privProtocol=protocols[credential.priv_protocol] if credential.priv_protocol else hlapi.usmNoPrivProtocol,
    )
