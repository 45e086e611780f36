"""A second opinion on a gNMI target, by an independent client (pygnmi) with the target's own certificate pinned.

pygnmi without a pinned certificate fetches and trusts whatever the server shows and then sends the password, so there
is no way here to leave the pin out. It and `gnmi_pb` cannot share a process (both register gnmi.proto): this module
is for the command line only.
"""

from pathlib import Path
from typing import Any


class TargetError(Exception):
    """The target did not answer as a gNMI target with this certificate."""


def capabilities(address: str, port: int, certificate: Path, login: tuple[str, str] | None) -> dict[str, Any]:
    """What the target says it can: `{gnmi_version, encodings, models: [{name, organization, version}]}`; TargetError if nothing."""
    import grpc
    from pygnmi.client import gNMIclient

    user, password = login or (None, None)
    try:
        with gNMIclient(target=(address, port), username=user, password=password, path_cert=str(certificate)) as client:
            said = client.capabilities()
    except (grpc.RpcError, grpc.FutureTimeoutError, OSError) as error:
        raise TargetError(f"{address}:{port}: {error}") from error
    if not said:
        raise TargetError(f"{address}:{port} answered nothing")
    return {
        "gnmi_version": said.get("gnmi_version", ""),
        "encodings": said.get("supported_encodings", []),
        "models": said.get("supported_models", []),
    }
