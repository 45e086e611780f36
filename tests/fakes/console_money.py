"""Usage, invoices, webhooks and deliveries as the console sees them."""

from typing import Any

from fastapi import APIRouter, Response

from station.web import Caller, not_found
from tests.fakes.console_network import Network, uid


def add_money(routes: APIRouter, network: Network) -> None:
    _add_usage(routes, network)
    _add_invoices(routes, network)
    _add_notify(routes, network)


def _add_usage(routes: APIRouter, network: Network) -> None:
    @routes.get("/usage")
    async def usage(caller: Caller, service: str = "") -> dict[str, Any]:
        items = [
            {
                "id": uid("usage", n),
                "service_id": service,
                "service": "L3VPN site 00",
                "meter": "percentile_95",
                "start": network.at(1440 * (n + 1)),
                "end": network.at(1440 * n),
                "quantity": str(412_000_000 - n * 3_000_000),
                "unit": "bit/s",
                "state": "rated" if n else "guided",
                "revision": 1,
                "good": 286,
                "slots": 288,
            }
            for n in range(12)
        ]
        return {"items": items, "next": None, "total": len(items)}

    @routes.get("/usage/pipeline")
    async def pipeline(caller: Caller) -> dict[str, Any]:
        return {
            "counts": {"received": 18_412, "rejected": 3, "recycled": 11, "guided": 18_398, "rated": 17_900, "billed": 16_200},
            "suspense": 11,
        }

    @routes.get("/usage/suspense")
    async def suspense(caller: Caller) -> dict[str, Any]:
        items = [
            {
                "id": uid("suspense", n),
                "reason": "no service on this interface",
                "resource": f"kie-acc-0{n} xe-0/0/7",
                "since": network.at(600 * n),
                "records": 4,
            }
            for n in (1, 2)
        ]
        return {"items": items, "next": None, "total": len(items)}


INVOICE_LINES = [
    {
        "n": 1,
        "text": "L3VPN site 00, 95th percentile, commit 400 Mb/s",
        "service": "L3VPN site 00",
        "quantity": "412",
        "unit": "Mb/s",
        "unit_price": "2.50",
        "amount": "1030.00",
        "data_quality": "8,640 of 8,640 slots measured",
    },
    {
        "n": 2,
        "text": "L3VPN site 01, volume",
        "service": "L3VPN site 01",
        "quantity": "9120",
        "unit": "GB",
        "unit_price": "0.02",
        "amount": "182.40",
        "data_quality": "8,626 of 8,640 slots measured, 14 gaps",
    },
]


def _add_invoices(routes: APIRouter, network: Network) -> None:
    def head(n: int) -> dict[str, Any]:
        number = f"2026-{1000 + n}"
        return {
            "id": uid("invoice", n),
            "number": number,
            "customer": "ACME Logistics",
            "customer_id": uid("customer", 0),
            "period_start": "2026-10-01",
            "period_end": "2026-11-01",
            "issued_at": network.at(20_000),
            "currency": "EUR",
            "net": "1212.40",
            "tax": "230.36",
            "total": "1442.76",
            "state": "issued",
        }

    @routes.get("/invoices")
    async def invoices(caller: Caller) -> dict[str, Any]:
        items = [head(n) for n in range(3)]
        return {"items": items, "next": None, "total": len(items)}

    @routes.get("/invoices/{key}")
    async def invoice(caller: Caller, key: str) -> Any:
        if key.endswith(".pdf"):
            return Response(b"%PDF-1.7\n", media_type="application/pdf")
        found = next((head(n) for n in range(3) if head(n)["id"] == key), None)
        if found is None:
            raise not_found("invoice")
        return {**found, "lines": INVOICE_LINES}

    @routes.get("/invoices/{key}/lines/{n}/explain")
    async def explain(caller: Caller, key: str, n: int) -> dict[str, Any]:
        slots = [
            {
                "start": network.at(5 * k),
                "octets": 15_450_000_000 - k * 10_000_000,
                "mbps": str(412 - k),
                "verdict": "gap" if k == 3 else "good",
            }
            for k in range(40)
        ]
        return {
            "line": INVOICE_LINES[n - 1],
            "steps": ["8,640 slots of 5 minutes, sorted ascending", "the 8,208th is 412 Mb/s (rank rule: nearest)", "412 Mb/s × 2.50 EUR"],
            "records": [
                {
                    "id": uid("usage", 1),
                    "meter": "percentile_95",
                    "start": "2026-10-01T00:00:00Z",
                    "end": "2026-10-02T00:00:00Z",
                    "quantity": "412",
                    "unit": "Mb/s",
                    "revision": 1,
                    "slots": slots,
                    "samples": [
                        {"at": network.at(k), "raw": str(2**40 + k * 10**9), "delta": str(10**9), "verdict": "good"} for k in range(5)
                    ],
                }
            ],
        }


def _add_notify(routes: APIRouter, network: Network) -> None:
    hooks = [
        {
            "id": uid("webhook", 1),
            "name": "ticketing",
            "url": "https://tickets.example.net/hook",
            "format": "cloudevents",
            "enabled": True,
            "severity": "major",
        }
    ]

    @routes.get("/webhooks")
    async def webhooks(caller: Caller) -> dict[str, Any]:
        return {"items": hooks, "next": None, "total": len(hooks)}

    @routes.post("/webhooks/{key}/test")
    async def test(caller: Caller, key: str) -> dict[str, Any]:
        return {"delivered": True, "status": 200}

    @routes.get("/deliveries")
    async def deliveries(caller: Caller) -> dict[str, Any]:
        items = [
            {
                "id": uid("delivery", n),
                "webhook_id": hooks[0]["id"],
                "webhook": "ticketing",
                "at": network.at(n * 4),
                "transition": ["raised", "cleared"][n % 2],
                "alarm_id": next(iter(network.alarms)),
                "state": "failed" if n == 2 else "delivered",
                "attempts": 1 + 3 * (n == 2),
                "status": 503 if n == 2 else 200,
                "error": "503 Service Unavailable" if n == 2 else "",
                "next_at": None,
            }
            for n in range(6)
        ]
        return {"items": items, "next": None, "total": len(items)}

    @routes.post("/deliveries/{key}/replay")
    async def replay(caller: Caller, key: str) -> dict[str, Any]:
        return {"id": key, "state": "pending"}
