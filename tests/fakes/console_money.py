"""Usage, invoices and bill runs as the console sees them."""

from typing import Any

from fastapi import APIRouter, Response

from station.web import Caller, not_found
from tests.fakes.console_network import Network, uid


def add_money(routes: APIRouter, network: Network) -> None:
    _add_usage(routes, network)
    _add_invoices(routes, network)
    _add_runs(routes, network)
    _add_customers(routes, network)


def _add_usage(routes: APIRouter, network: Network) -> None:
    @routes.get("/usage")
    async def usage(caller: Caller, service: str = "") -> dict[str, Any]:
        items = [
            {
                "id": uid("usage", n),
                "portion": 0,
                "guide_rev": 1,
                "service_id": service,
                "customer_id": uid("customer", 0),
                "metering_point": uid("point", 0),
                "resource": "ham-acc-01 xe-0/0/7",
                "region": "North",
                "meter": "bandwidth",
                "from": network.at(1440 * (n + 1)),
                "to": network.at(1440 * n),
                "since": network.at(1440 * n),
                "in_octets": 300_000_000 - n,
                "out_octets": 112_000_000,
                "quantity": 412_000_000 - n,
                "unit": "octet",
                "state": "rated" if n else "guided",
                "zero_rated": False,
                "reason": "",
                "revision": 1,
            }
            for n in range(12)
        ]
        return {"items": items, "next": None, "total": len(items)}

    @routes.get("/usage/pipeline")
    async def pipeline(caller: Caller) -> dict[str, Any]:
        return {
            "counts": {"received": 18_412, "rejected": 3, "recycled": 11, "guided": 18_398, "rated": 17_900, "billed": 16_200},
            "balanced": {"meter": True, "import": False},
        }

    @routes.get("/usage/suspense")
    async def suspense(caller: Caller) -> dict[str, Any]:
        items = [
            {
                "id": uid("suspense", n),
                "portion": 0,
                "metering_point": uid("point", n),
                "reason": "no service on this interface",
                "resource": f"kie-acc-0{n} xe-0/0/7",
                "since": network.at(600 * n),
                "age_s": 36_000 * n,
                "state": "recycled",
            }
            for n in (1, 2)
        ]
        return {"items": items, "next": None, "total": len(items)}


def _line(no: int, description: str, quantity: str, unit: str, price: str, amount: str, quality: str) -> dict[str, Any]:
    return {
        "no": no,
        "n": no,
        "kind": "charge",
        "service": {"id": uid("service", no), "number": f"S-1000{no}", "name": f"L3VPN site 0{no}"},
        "charge": "bandwidth",
        "description": description,
        "quantity": quantity,
        "unit": unit,
        "unit_price": price,
        "amount": amount,
        "amount_minor": int(amount.replace(".", "")),
        "tariff": {"name": "burst95", "effective": "2026-01-01", "sha256": "5d" * 32},
        "computation": {"rank_rule": "nearest", "percent": "95", "rank": 8208, "slots_ranked": 8640, "megabits": quantity},
        "usage_sha256": "ab" * 32,
        "corrects": None,
        "data_quality": quality,
    }


INVOICE_LINES = [
    _line(1, "95th percentile, commit 400 Mb/s", "412", "Mbit/s", "2.50", "1030.00", "8640 of 8640 slots good"),
    _line(2, "Volume", "9120", "GB", "0.02", "182.40", "8626 of 8640 slots good"),
]


def _add_invoices(routes: APIRouter, network: Network) -> None:
    def head(n: int) -> dict[str, Any]:
        number = f"2026-{1000 + n}"
        return {
            "id": uid("invoice", n),
            "number": number,
            "customer": "ACME Logistics",
            "customer_name": "ACME Logistics",
            "customer_id": uid("customer", 0),
            "period": "2026-10",
            "period_start": "2026-10-01",
            "period_end": "2026-10-31",
            "issued_at": network.at(20_000),
            "currency": "EUR",
            "net_minor": 121_240,
            "tax_minor": 23_036,
            "gross_minor": 144_276,
            "sha256": "cd" * 32,
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
        return {**found, "customer": {"id": found["customer_id"], "name": found["customer"]}, "lines": INVOICE_LINES}

    @routes.get("/invoices/{key}/lines/{n}/explain")
    async def explain(caller: Caller, key: str, n: int) -> dict[str, Any]:
        line = INVOICE_LINES[n - 1]
        return {
            "invoice": {"id": key, "number": "2026-1000", "currency": "EUR", "currency_decimals": 2, "simulated": True},
            "line": line,
            "rating": {"rated_id": uid("rated", n), "rating_rev": 0, "tariff": line["tariff"], "computation": line["computation"]},
            "usage": [_use(network, day) for day in range(31)],
            "usage_total": 31,
            "usage_sha256": line["usage_sha256"],
            "slots": {
                "total": 8640,
                "counts": {"good": 8640, "gap": 0},
                "agrees": True,
                "billed_ns": network.now_ns,
                "decisive": [_slot(network, 8206 + place) for place in range(5)],
                "flawed": [],
                "flawed_total": 0,
            },
            "raw": [_raw(network)],
        }


def _use(network: Network, day: int) -> dict[str, Any]:
    hashes = {"chain": "ee" * 32, "evidence_sha256": "ff" * 32}
    ends = {"from": network.at(1440 * (day + 1)), "to": network.at(1440 * day)}
    point = {"metering_point": uid("point", 0), "interface": "ham-acc-01 xe-0/0/7", "meter": "bandwidth"}
    return {"id": uid("usage", day), "revision": 1} | hashes | point | ends | {"in_octets": 4 * 10**12, "out_octets": 10**12}


def _slot(network: Network, rank: int) -> dict[str, Any]:
    at = {"start_ns": network.now_ns - rank * 300 * 10**9, "start": network.at(5 * rank)}
    return at | {"rank": rank, "in_octets": 15_450_000_000, "out_octets": 10**9, "mark": "good", "causes": [], "octets": 15_450_000_000}


def _raw(network: Network) -> dict[str, Any]:
    counts = {"in_octets": 2**40, "out_octets": 2**39, "in_delta": 10**9, "out_delta": 10**8, "verdict": "good", "uptime_cs": 41}
    samples = [{"time": network.at(k), "received": network.at(k)} | counts for k in range(5)]
    return {"metering_point": uid("point", 0), "slot": network.at(5), "interface": "ham-acc-01 xe-0/0/7", "samples": samples, "note": ""}


def _add_runs(routes: APIRouter, network: Network) -> None:
    @routes.get("/bill-runs")
    async def bill_runs(caller: Caller) -> dict[str, Any]:
        times = {
            "from": network.at(60_000),
            "to": network.at(20_000),
            "knowledge_cutoff": network.at(17_000),
            "closed_at": network.at(16_990),
        }
        run = {"id": uid("run", 1), "period": "2026-10", "created_at": network.at(17_000), "created_by": "station", "state": "closed"}
        item = {**run, **times, "invoices": 2, "exceptions": [], "snapshot_sha256": "ab" * 32}
        return {"items": [item], "next": None, "total": 1}

    @routes.get("/usage/completeness")
    async def completeness(caller: Caller, month: str = "") -> dict[str, Any]:
        slots = {"expected": 7200, "good": 7175, "interpolated": 0, "gap": 25, "rejected": 0, "missing": 0}
        days = [
            {"day": f"2026-10-{n:02}", "expected": 50, "received": 50 - (n == 9), "missing": int(n == 9), "slots": slots}
            for n in range(1, 32)
        ]
        source = {"source": "meter", "received": 1550, "stored": 1550, "deduplicated": 0, "refused": {}, "balanced": True}
        lacking = {"metering_point": uid("point", 0), "resource": "ham-acc-01 xe-0/0/7", "expected": 31, "received": 30, "missing": 1}
        found = {"period": "2026-10", "sources": [source], "intervals": days, "points": [lacking], "points_total": 1, "octets": {}}
        return found | {"billed": None, "unbilled_active": [], "billed_inactive": []}


def _add_customers(routes: APIRouter, network: Network) -> None:
    known = {"id": uid("customer", 0), "number": "K-1001", "name": "Hafenlogistik GmbH"}

    @routes.get("/customers")
    async def customers(caller: Caller, q: str = "") -> dict[str, Any]:
        return {"items": [known], "total": 1, "next": None}

    @routes.get("/customers/{customer_id}/overview")
    async def overview(caller: Caller, customer_id: str) -> dict[str, Any]:
        account: dict[str, Any] = {"balances": [{"currency": "EUR", "amount_minor": 11_900}], "open": [OPEN]}
        service: dict[str, Any] = {
            "id": uid("service", 0),
            "number": "S-1",
            "name": "Internet",
            "tariff": "volume",
            "sla": "gold",
            "active": True,
        }
        found: dict[str, Any] = {
            "customer": known | {"email": "a@b.example", "address": "Kai 1\nHamburg", "tax_id": "DE1", "currency": "EUR"}
        }
        found |= {"account": account, "services": [service | {"restriction": "throttle"}], "alarms_total": 0}
        found |= {"dunning": {"stage": 3, "standing": "throttle", "paused": "", "holds": 1}}
        found["consents"] = [{"purpose": "marketing", "given": True, "at": network.at(60)}]
        parts = ("usage", "alarms", "levels", "interactions", "bills", "payments", "agreements")
        return found | {name: [] for name in (*parts, "orders", "service_orders", "tickets", "problems")}

    @routes.get("/bank/entries")
    async def entries(caller: Caller) -> dict[str, Any]:
        entry = {"id": "e", "day": "2026-11-20", "name": "Somebody", "iban": "", "currency": "EUR", "amount_minor": 4_200}
        return {"items": [entry | {"reason": "no reference; 0 open documents have this amount"}]}

    @routes.get("/dunning/cases")
    async def cases(caller: Caller) -> dict[str, Any]:
        return {"items": [{"customer_id": known["id"], "stage": 5, "standing": "suspend", "paused": "", "entered_on": "2026-11-01"}]}

    @routes.get("/assurance/{month}")
    async def assurance(caller: Caller, month: str) -> dict[str, Any]:
        leak = {"kind": "fee_missing", "service": "S-1", "score": 90, "reasons": ["1.flat of volume was not charged"], "fraud": False}
        return {"month": month, "billed": True, "services": 50, "leaks": 1, "frauds": 0, "items": [leak]}


OPEN = {"id": uid("invoice", 0), "number": "INV-1", "currency": "EUR", "due_on": "2026-11-01", "open_minor": 11_900}
