"""Where the simulated network stands: three regions with real places."""

from dataclasses import dataclass

from simulator.chance import between
from simulator.world import Site


@dataclass(frozen=True, slots=True)
class Region:
    """A region by its code in device names; places are (name, latitude, longitude), the city's own two first."""

    number: int
    code: str
    name: str
    places: tuple[tuple[str, float, float], ...]

    def site(self, n: int, ring: int = 0) -> Site:
        """The nth place; further rings stand at further sites of the same places."""
        name, latitude, longitude = self.places[n % len(self.places)]
        again = n // len(self.places) + ring
        if again == 0 or n < 2:
            return Site(name, self.name, latitude, longitude)
        shift = (between(-0.08, 0.08, name, again, axis) for axis in ("latitude", "longitude"))
        return Site(f"{name} {again + 1}", self.name, round(latitude + next(shift), 4), round(longitude + next(shift), 4))


REGIONS = (
    Region(
        1,
        "ham",
        "Hamburg",
        (
            ("Hamburg Mitte", 53.5503, 9.9937),
            ("Hamburg Altona", 53.5496, 9.9355),
            ("Lübeck", 53.8655, 10.6866),
            ("Kiel", 54.3233, 10.1228),
            ("Bremen", 53.0793, 8.8017),
            ("Lüneburg", 53.2464, 10.4115),
            ("Hamburg Harburg", 53.4604, 9.9833),
            ("Stade", 53.5997, 9.4763),
            ("Neumünster", 54.0712, 9.9900),
            ("Elmshorn", 53.7531, 9.6527),
            ("Buxtehude", 53.4770, 9.7011),
            ("Schwerin", 53.6355, 11.4012),
        ),
    ),
    Region(
        2,
        "ber",
        "Berlin",
        (
            ("Berlin Mitte", 52.5200, 13.4050),
            ("Berlin Tempelhof", 52.4675, 13.4036),
            ("Potsdam", 52.3906, 13.0645),
            ("Brandenburg", 52.4125, 12.5316),
            ("Eberswalde", 52.8338, 13.8207),
            ("Frankfurt Oder", 52.3471, 14.5506),
            ("Berlin Spandau", 52.5358, 13.1974),
            ("Oranienburg", 52.7557, 13.2421),
            ("Cottbus", 51.7563, 14.3329),
            ("Lübben", 51.9436, 13.8883),
            ("Rathenow", 52.6049, 12.3370),
            ("Magdeburg", 52.1205, 11.6276),
        ),
    ),
    Region(
        3,
        "fra",
        "Frankfurt",
        (
            ("Frankfurt Ost", 50.1167, 8.7320),
            ("Frankfurt Sossenheim", 50.1206, 8.5700),
            ("Mainz", 49.9929, 8.2473),
            ("Darmstadt", 49.8728, 8.6512),
            ("Wiesbaden", 50.0782, 8.2398),
            ("Hanau", 50.1264, 8.9283),
            ("Offenbach", 50.0956, 8.7761),
            ("Gießen", 50.5841, 8.6784),
            ("Aschaffenburg", 49.9769, 9.1580),
            ("Bad Homburg", 50.2268, 8.6182),
            ("Fulda", 50.5558, 9.6808),
            ("Mannheim", 49.4875, 8.4660),
        ),
    ),
)
