"""What a NETCONF server has: its modules and where they were found, what the station would read of it, its event streams, a schema.

For the command line: one session, opened only when the server has shown its host key.
"""

from collections.abc import Mapping
from typing import Any

from collectors.codecs.netconf_state import STREAMS, modules_of, streams_of
from collectors.inputs.netconf import NetconfSessionError, NetconfTarget, close, connect, listed, mapped, models


def look(target: NetconfTarget, login: Mapping[str, str]) -> dict[str, Any]:
    """`{capabilities, modules: {name: revision}, read: [our models], streams: {name: replay}}`; NetconfSessionError if nothing."""
    session = mapped(connect, (target, login))
    try:
        return {**mapped(_modules, (session,)), "streams": _streams(session)}
    finally:
        close(session)


def schema(target: NetconfTarget, login: Mapping[str, str], name: str) -> str:
    """The text of a module as the server keeps it (RFC 6022, get-schema); NetconfSessionError where it has none."""
    session = mapped(connect, (target, login))
    try:
        reply = mapped(session.get_schema, (name,))
        return str(reply.data)
    finally:
        close(session)


def _modules(session: Any) -> dict[str, Any]:
    modules = modules_of(session.server_capabilities)
    for more in listed(session):
        modules |= {name: revision for name, revision in more.items() if revision >= modules.get(name, "")}
    served = [model.name for model in models() if model.serves(modules)]
    return {"capabilities": sorted(session.server_capabilities), "modules": dict(sorted(modules.items())), "read": served}


def _streams(session: Any) -> dict[str, bool]:
    """None where the server does not know the question."""
    try:
        return streams_of(mapped(session.get, (("subtree", STREAMS),)).xml)
    except NetconfSessionError as error:
        if error.reason != "refused":
            raise
        return {}
