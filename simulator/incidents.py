"""What went wrong in the last closed month, so that its invoices show how the station deals with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from simulator.world import World

NS_PER_S = 1_000_000_000
HOUR_NS = 3600 * NS_PER_S
GAP_NS = 40 * 60 * NS_PER_S
REBOOT_NS = 95 * NS_PER_S  # the device is silent for so long before its counters start again
LATE_NS = 150 * 60 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Span:
    """Something about one metered interface in [start, end)."""

    interface: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Incidents:
    """The last closed calendar month (UTC) and its three incidents, each at another metered interface.

    `gap`: its device could not be reached. `reboot`: its device restarted at the end of the span, counters at
    zero. `late`: its samples were withheld and came at `late_received_ns`, after the month had closed.
    """

    month_start_ns: int
    month_end_ns: int
    gap: Span
    reboot: Span
    late: Span
    late_received_ns: int

    def again_ns(self, world: World) -> Mapping[int, int]:
        """The later boots by device number, for `traffic.Boots`."""
        return {world.device_of[self.reboot.interface]: self.reboot.end_ns}


def incidents(world: World, now_ns: int) -> Incidents:
    """The incidents as seen from `now_ns`: in the last three days of the month, so that 35 days of history hold them."""
    start_ns, end_ns = last_month(now_ns)
    access = [service.interface for service in world.services[1:]]
    gap, reboot, late = access[2], access[7], access[12]
    gap_ns = end_ns - 59 * HOUR_NS + 20 * 60 * NS_PER_S
    boot_ns = end_ns - 46 * HOUR_NS + 37 * 60 * NS_PER_S + 11 * NS_PER_S
    late_ns = end_ns - 30 * HOUR_NS
    return Incidents(
        month_start_ns=start_ns,
        month_end_ns=end_ns,
        gap=Span(gap, gap_ns, gap_ns + GAP_NS),
        reboot=Span(reboot, boot_ns - REBOOT_NS, boot_ns),
        late=Span(late, late_ns, late_ns + LATE_NS),
        late_received_ns=end_ns + min(54 * HOUR_NS, (now_ns - end_ns) // 2),
    )


def last_month(now_ns: int) -> tuple[int, int]:
    """[start, end) of the last calendar month in UTC that is over."""
    this = datetime.fromtimestamp(now_ns // NS_PER_S, UTC).replace(day=1, hour=0, minute=0, second=0)
    last = this.replace(year=this.year - 1, month=12) if this.month == 1 else this.replace(month=this.month - 1)
    return int(last.timestamp()) * NS_PER_S, int(this.timestamp()) * NS_PER_S
