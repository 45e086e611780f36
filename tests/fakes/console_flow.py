"""Flows of the console's network: the largest by anything, and two exporters."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from station.web import Caller, time_ns
from tests.fakes.console_network import Network

APPLICATIONS = ("https (tcp 443)", "quic (udp 443)", "domain (udp 53)", "gre")


def add_flow(routes: APIRouter, network: Network) -> None:
    @routes.get("/flow/top")
    async def top(
        caller: Caller,
        start: Annotated[str, Query(alias="from")],
        to: str,
        by: str = "application",
        counted: str = "entering",
        interface: str = "",
    ) -> dict[str, Any]:
        links = network.links[:8]
        named = [(link["a_interface"], f"{network.name_of(link['a'])} {link['a_name']}") for link in links]
        names: list[tuple[str | None, str]] = [*named] if by == "interface" else [(None, name) for name in APPLICATIONS]
        octets = [10**12 // (n + 1) for n in range(len(names))]
        whole = sum(octets)
        items = [
            {"id": key, "name": name, "octets": n, "in_octets": n // 3, "out_octets": n - n // 3, "mean_bps": n / 1e4, "share": n / whole}
            for (key, name), n in zip(names, octets, strict=True)
        ]
        times = list(range(time_ns(start) // 10**6, time_ns(to) // 10**6, 600_000))
        curve = {"step_s": 600, "time": times, "bps": [None if n % 20 == 7 else 1e9 + n * 1e6 for n in range(len(times))]}
        return {"items": items, "next": None, "total": 40, "by": by, "counted": counted, "octets": whole, "curve": curve}

    @routes.get("/flow/exporters")
    async def exporters(caller: Caller) -> dict[str, Any]:
        about = {"heard_at": network.at(12), "datagrams": 123_456, "records": 3_210_000, "refused": 0}
        items = [
            {"device": node["id"], "name": node["name"], "address": f"192.0.2.{n}", "lost": 7 * n, "sampling": [1000] * n, **about}
            for n, node in enumerate(network.nodes[:2])
        ]
        return {"items": items, "next": None, "total": len(items)}
