"""After looks at devices: links, bindings and paths are drawn again, then the picture is replaced."""

from inventory.link_store import refresh_links
from inventory.picture import Picture
from inventory.services import refresh_paths, resolve_pending
from inventory.topology import Topology
from station.scope import Scope
from station.state import State


async def settle(state: State, scope: Scope, picture: Picture, now_ns: int) -> Topology:
    """Everything that follows from devices, in its order; call it after discovery and after imports."""
    await refresh_links(state, scope, now_ns)
    async with state.write() as conn:
        await resolve_pending(conn, scope.tenant)
    topology = await picture.reload()
    return await picture.reload() if await refresh_paths(state, scope, topology, now_ns) else topology
