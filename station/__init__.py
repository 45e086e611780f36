"""The ground floor: batches, series ids, channels, journal, clock, settings, state store, telemetry store, security.

On its roof two modules: `station.assembly` wires every stage, `station.cli` is the command `trunkline`.
"""

__version__ = "0.1.0"
