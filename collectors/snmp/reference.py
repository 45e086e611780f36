"""The slow path: the same question asked by pysnmp, to hold against our own client when an agent looks wrong.

pysnmp is imported on first use; it takes half a second and the station never needs it to run.
"""

from collections.abc import Sequence
from typing import Any

from collectors.codecs import snmp
from collectors.codecs.ber import Oid
from collectors.codecs.snmp import VarBind
from collectors.codecs.usm import Auth, Priv
from collectors.snmp.client import SnmpError, TargetUnreachableError
from collectors.snmp.credentials import SnmpCredential

_AUTH = {
    Auth.MD5: "usmHMACMD5AuthProtocol",
    Auth.SHA1: "usmHMACSHAAuthProtocol",
    Auth.SHA224: "usmHMAC128SHA224AuthProtocol",
    Auth.SHA256: "usmHMAC192SHA256AuthProtocol",
    Auth.SHA384: "usmHMAC256SHA384AuthProtocol",
    Auth.SHA512: "usmHMAC384SHA512AuthProtocol",
}
_PRIV = {
    Priv.DES: "usmDESPrivProtocol",
    Priv.AES128: "usmAesCfb128Protocol",
    Priv.AES192: "usmAesBlumenthalCfb192Protocol",  # draft-blumenthal-aes-usm-04, as net-snmp names it too
    Priv.AES256: "usmAesBlumenthalCfb256Protocol",
}
_OBJECT_IDENTIFIER = 6


async def get(
    address: str, port: int, credential: SnmpCredential, oids: Sequence[Oid], *, timeout_s: float = 1.5, retries: int = 2
) -> list[VarBind]:
    """The variables in the order asked, typed as our client types them; SnmpError for an error-status, or no answer."""
    from pysnmp.error import PySnmpError
    from pysnmp.hlapi.v3arch import asyncio as hlapi

    engine = hlapi.SnmpEngine()
    try:
        target = await hlapi.UdpTransportTarget.create((address, port), timeout=timeout_s, retries=retries)
        asked = [hlapi.ObjectType(hlapi.ObjectIdentity(oid)) for oid in oids]
        context = hlapi.ContextData(contextName=credential.context.encode())
        who = _security(hlapi, credential)
        failed, status, _, answered = await hlapi.get_cmd(engine, who, target, context, *asked, lookupMib=False)
    except PySnmpError as error:
        raise SnmpError("reference", str(error)) from error
    finally:
        engine.close_dispatcher()
    if failed is not None:
        unreachable = "before timeout" in str(failed)
        raise TargetUnreachableError("timeout", f"{address}:{port}") if unreachable else SnmpError("reference", str(failed))
    if status:
        raise SnmpError("error_status", str(status.prettyPrint()))
    return [varbind_of(tuple(name), value) for name, value in answered]


def _security(hlapi: Any, credential: SnmpCredential) -> Any:
    if credential.version != "3":
        return hlapi.CommunityData(credential.community, mpModel=int(credential.wire_version))
    auth = getattr(hlapi, _AUTH[credential.auth] if credential.auth else "usmNoAuthProtocol")
    priv = getattr(hlapi, _PRIV[credential.priv] if credential.priv else "usmNoPrivProtocol")
    return hlapi.UsmUserData(
        credential.user,
        authKey=credential.auth_password if credential.auth else None,
        privKey=credential.priv_password if credential.priv else None,
        authProtocol=auth,
        privProtocol=priv,
    )


def varbind_of(oid: Oid, value: Any) -> VarBind:
    """Its outermost tag is the one on the wire; values are int, bytes, dotted quad, arcs, or None for an exception."""
    tag_set = value.tagSet[-1]
    tag = int(tag_set.tagClass) | int(tag_set.tagFormat) | int(tag_set.tagId)
    if tag == snmp.IP_ADDRESS:
        return VarBind(oid, tag, ".".join(map(str, value.asOctets())))
    if tag == _OBJECT_IDENTIFIER:
        return VarBind(oid, tag, tuple(value))
    if hasattr(value, "asOctets"):
        return VarBind(oid, tag, None if tag in snmp.EXCEPTIONS else value.asOctets())
    return VarBind(oid, tag, int(value))
