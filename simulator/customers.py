"""Who buys from the simulated operator: invented companies, their services and tariffs."""

from typing import Any

from simulator.chance import key_of, pick
from simulator.world import World

TARIFFS = ("burst95", "volume")
SLA_OF = {"burst95": "gold", "volume": "business"}  # by tariff: files of `config/slas`
_FEWEST = 12

_COMPANIES = (
    "Elbe Carrier Services GmbH",
    "Hafenlogistik Nord AG",
    "Spree Medien GmbH",
    "Kranich Versicherung AG",
    "Mainufer Handelsbank eG",
    "Alster Klinikum gGmbH",
    "Havel Werkzeugbau KG",
    "Taunus Rechenzentrum GmbH",
    "Ostsee Fähren GmbH & Co. KG",
    "Märkische Energie AG",
    "Rhein-Main Druckhaus GmbH",
    "Universität Neustadt",
)
_STREETS = ("Am Sandtorkai", "Lindenallee", "Hauptstraße", "Industrieweg", "Speicherstraße", "Ringstraße")
_CITIES = ("20457 Hamburg", "10115 Berlin", "60311 Frankfurt am Main", "23552 Lübeck", "14467 Potsdam", "55116 Mainz")


def customer_names(size: int) -> tuple[str, ...]:
    """The customers of a world of `size` devices: twelve, and one more for each twenty devices beyond 240."""
    count = max(_FEWEST, size // 20)
    return tuple(_COMPANIES[n] if n < len(_COMPANIES) else f"Kunde {n + 1} Netzbetrieb GmbH" for n in range(count))


def customers(world: World) -> list[dict[str, Any]]:
    """Customers with their services, as the station imports them.

    Each: number, name, email, address, tax_id, currency (ISO 4217) and services: number, name, tariff
    (the name of a folder in `config/tariffs`), sla (of a file in `config/slas`), device (its name) and interface (its ifName).
    """
    return [_customer(world, n, name) for n, name in enumerate(world.customers)]


def _customer(world: World, n: int, name: str) -> dict[str, Any]:
    number = f"C-{1001 + n}"
    services = [service for service in world.services if service.customer == n]
    return {
        "number": number,
        "name": name,
        "email": f"rechnung@{number.lower()}.example",
        "address": f"{pick(_STREETS, name, 'street')} {key_of(name, 'house') % 120 + 1}, {pick(_CITIES, name, 'city')}",
        "tax_id": f"DE{key_of(name, 'tax') % 900_000_000 + 100_000_000}",
        "currency": "EUR",
        "services": [
            {
                "number": service.number,
                "name": service.name,
                "tariff": service.tariff,
                "sla": SLA_OF.get(service.tariff, ""),
                "device": world.devices[world.device_of[service.interface]].name,
                "interface": world.interfaces[service.interface].name,
            }
            for service in services
        ],
    }
