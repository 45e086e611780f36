"""The whole of `station.toml`: one table per domain, each with the domain's own settings model."""

from pathlib import Path

from pydantic import Field

from billing_bridge.settings import BillingSettings
from bss.settings import BssSettings
from collectors.inputs.flow import FlowSettings
from collectors.inputs.gnmi import GnmiSettings
from collectors.inputs.mqtt import MqttSettings
from collectors.inputs.netconf import NetconfSettings
from collectors.inputs.radius import RadiusSettings
from collectors.inputs.syslog import SyslogSettings
from collectors.probe_settings import ProbeSettings
from collectors.settings import SnmpSettings, TrapSettings
from dashboards.settings import WebSettings
from fault.notify.settings import NotifySettings
from fault.settings import FaultSettings
from inventory.settings import InventorySettings
from perf.settings import PerfSettings
from station.bus.settings import BusSettings, SpoolSettings
from station.settings import Settings
from station.telemetry.settings import TelemetrySettings


class StateSettings(Settings):
    """`[state]`: an empty `url` means SQLite in the data folder, else postgresql+asyncpg://..."""

    url: str = ""


class StationSettings(Settings):
    """Everything that can be set; defaults run a station on this machine alone."""

    name: str = Field(default="Trunkline", max_length=64)
    state: StateSettings = StateSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    inventory: InventorySettings = InventorySettings()
    snmp: SnmpSettings = SnmpSettings()
    traps: TrapSettings = TrapSettings()
    syslog: SyslogSettings = SyslogSettings()
    flow: FlowSettings = FlowSettings()
    gnmi: GnmiSettings = GnmiSettings()
    mqtt: MqttSettings = MqttSettings()
    netconf: NetconfSettings = NetconfSettings()
    probes: ProbeSettings = ProbeSettings()
    radius: RadiusSettings = RadiusSettings()
    bus: BusSettings = BusSettings()
    spool: SpoolSettings = SpoolSettings()
    perf: PerfSettings = PerfSettings()
    fault: FaultSettings = FaultSettings()
    notify: NotifySettings = NotifySettings()
    billing: BillingSettings = BillingSettings()
    bss: BssSettings = BssSettings()
    web: WebSettings = WebSettings()

    def state_url(self, folder: Path) -> str:
        """The state store's SQLAlchemy URL, by default `<data>/state.db`."""
        return self.state.url or f"sqlite+aiosqlite:///{folder / 'state.db'}"
