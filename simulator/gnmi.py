"""gNMI targets over TLS (gNMI 0.10): Capabilities, Get and Subscribe of openconfig-interfaces, a server for each device.

A device that is cut off from the station refuses and ends its streams; on a real network they would stall until
the client's keepalive gives up.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import grpc
from gnmi_pb import gnmi_pb2 as pb
from gnmi_pb import gnmi_pb2_grpc as pb_grpc

from simulator.certificates import Identity
from simulator.live import Live
from simulator.openconfig import Element, Path, is_counter, leaves, plain, select, tree
from simulator.traffic import NS_PER_S
from simulator.world import Device

PORT = 16030
VERSION = "0.10.0"
MODEL = pb.ModelData(name="openconfig-interfaces", organization="OpenConfig working group", version="3.7.1")
ENCODINGS = (pb.Encoding.JSON_IETF, pb.Encoding.JSON)
DEFAULT_INTERVAL_NS, SHORTEST_INTERVAL_NS = 10 * NS_PER_S, NS_PER_S
MAX_SUBSCRIPTIONS = 64
MAX_STREAMS = 32
GRACE_S = 0.5
USER = {"username": "trunkline", "password": "simulated-network"}

Found = dict[Path, Any]


class Target(pb_grpc.gNMIServicer):  # type: ignore[misc]
    """The gNMI service of one device. Whoever gives a user name must give the right one; anonymous is allowed here."""

    def __init__(self, live: Live, device: Device) -> None:
        self._live, self._device = live, device

    async def Capabilities(self, request: Any, context: Any) -> Any:  # noqa: N802 - gNMI's name
        await self._admit(context)
        return pb.CapabilityResponse(supported_models=[MODEL], supported_encodings=ENCODINGS, gNMI_version=VERSION)

    async def Get(self, request: Any, context: Any) -> Any:  # noqa: N802 - gNMI's name
        await self._admit(context)
        await self._encoding(request.encoding, context)
        now_ns = self._live.now()
        root = tree(self._live.network, self._device, now_ns)
        notifications = []
        for path in request.path or [pb.Path()]:
            found = select(root, elements(request.prefix, path))
            if not found:
                await context.abort(grpc.StatusCode.NOT_FOUND, f"nothing at {path}")
            notifications.append(_notification(now_ns, ((at, plain(node)) for at, node in found)))
        return pb.GetResponse(notification=notifications)

    async def Subscribe(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802 - gNMI's name
        await self._admit(context)
        first: Any = await anext(requests, None)
        if first is None or not first.HasField("subscribe"):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first request has to subscribe")
        wanted = first.subscribe
        await self._encoding(wanted.encoding, context)
        if not 0 < len(wanted.subscription) <= MAX_SUBSCRIPTIONS:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"1 to {MAX_SUBSCRIPTIONS} subscriptions")
        if wanted.mode == pb.SubscriptionList.ONCE:
            for response in self._snapshot(wanted):
                yield response
        elif wanted.mode == pb.SubscriptionList.POLL:
            async for request in requests:
                if not request.HasField("poll"):
                    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "only polls follow")
                for response in self._snapshot(wanted):
                    yield response
        else:
            async for response in self._stream(wanted, context):
                yield response

    async def _admit(self, context: Any) -> None:
        given = {key: value for key, value in context.invocation_metadata() if key in USER}
        if given and given != USER:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "wrong user name or password")
        await self._reachable(context)

    async def _reachable(self, context: Any) -> None:
        if self._device.number not in self._live.network.reachable:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the simulated device is cut off")

    @staticmethod
    async def _encoding(encoding: Any, context: Any) -> None:
        if encoding not in ENCODINGS:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "JSON_IETF and JSON are served")

    def _read(self, wanted: Any, subscriptions: list[Any]) -> Found:
        """The leaves that subscriptions select, now."""
        root = tree(self._live.network, self._device, self._live.now())
        nodes = (step for one in subscriptions for step in select(root, elements(wanted.prefix, one.path)))
        return {path: value for at, node in nodes for path, value in leaves(at, node)}

    def _snapshot(self, wanted: Any) -> Iterator[Any]:
        """All that is subscribed, then the sync response."""
        if not wanted.updates_only:
            yield from self._responses(self._read(wanted, list(wanted.subscription)))
        yield pb.SubscribeResponse(sync_response=True)

    def _responses(self, found: Found) -> Iterator[Any]:
        """One response for each interface, its state as the prefix."""
        groups: dict[Path, Found] = {}
        for path, value in found.items():
            groups.setdefault(path[:2], {})[path] = value
        for group in groups.values():
            yield pb.SubscribeResponse(update=_notification(self._live.now(), group.items()))

    async def _stream(self, wanted: Any, context: Any) -> AsyncIterator[Any]:
        """SAMPLE by its interval, ON_CHANGE when the network changes; TARGET_DEFINED is both, by kind of leaf."""
        for response in self._snapshot(wanted):
            yield response
        watched = [one for one in wanted.subscription if one.mode != pb.SubscriptionMode.SAMPLE]
        sampled = [one for one in wanted.subscription if one.mode != pb.SubscriptionMode.ON_CHANGE]
        due_ns = [self._live.now() + _interval_ns(one) for one in sampled]
        known = _states(self._read(wanted, watched))
        with self._live.watch() as changed:
            while True:
                wait_s = max(0.0, (min(due_ns) - self._live.now()) / NS_PER_S) if due_ns else None
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), wait_s)
                await self._reachable(context)
                if changed.is_set():
                    changed.clear()
                    before, known = known, _states(self._read(wanted, watched))
                    for response in self._responses({path: value for path, value in known.items() if before.get(path) != value}):
                        yield response
                ripe = [n for n, at_ns in enumerate(due_ns) if at_ns <= self._live.now()]
                for n in ripe:
                    due_ns[n] += _interval_ns(sampled[n])
                for response in self._responses(self._read(wanted, [sampled[n] for n in ripe])) if ripe else ():
                    yield response


def _interval_ns(subscription: Any) -> int:
    return max(SHORTEST_INTERVAL_NS, int(subscription.sample_interval) or DEFAULT_INTERVAL_NS)


def _states(found: Found) -> Found:
    return {path: value for path, value in found.items() if not is_counter(path)}


def elements(prefix: Any, path: Any) -> Path:
    """A gNMI path behind its prefix."""
    return tuple(Element(one.name, one.key.get("name")) for one in (*prefix.elem, *path.elem))


def _path(path: Path) -> Any:
    return pb.Path(elem=[pb.PathElem(name=e.element, key={} if e.name is None else {"name": e.name}) for e in path])


def _notification(now_ns: int, values: Any) -> Any:
    updates = [pb.Update(path=_path(path), val=pb.TypedValue(json_ietf_val=json.dumps(value).encode())) for path, value in values]
    return pb.Notification(timestamp=now_ns, update=updates)


async def serve(live: Live, device: Device, identity: Identity, port: int = PORT) -> Any:
    """A started server on the device's own address; OSError when it cannot listen there."""
    server = grpc.aio.server(maximum_concurrent_rpcs=MAX_STREAMS, options=[("grpc.so_reuseport", 0)])
    pb_grpc.add_gNMIServicer_to_server(Target(live, device), server)
    credentials = grpc.ssl_server_credentials([(identity.key, identity.certificate)])
    try:
        server.add_secure_port(f"{device.address}:{port}", credentials)
    except RuntimeError as error:
        raise OSError(f"gNMI cannot listen on {device.address}:{port}") from error
    await server.start()
    return server
