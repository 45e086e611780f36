"""`trunkline bill run` and `trunkline explain`."""

import json
from pathlib import Path

from station.clock import SystemClock
from station.commands.context import FAILED, OK, PARTLY, USAGE, complain, opened_telemetry, say, with_store
from station.config import StationSettings
from station.data import data_dir
from station.scope import STATION
from station.state import State


def bill(config: Path | None, data: Path | None, period: str, as_json: bool) -> int:
    """Exit code 3 when some services could not be billed, each is named; 2 when a tariff file is at fault, with line and key."""

    async def act(settings: StationSettings, _folder: Path, state: State) -> int:
        from billing_bridge.periods import PeriodError
        from bss.billing import Biller, BillRunError
        from bss.tariffs import TariffError, Tariffs

        biller = Biller(state, Tariffs(data_dir("config") / "tariffs"), settings.bss, settings.billing)
        try:
            report = await biller.run(STATION, period, SystemClock().now_ns())
        except TariffError as error:  # a file at fault, as the settings are
            complain(str(error))
            return USAGE if error.faults else FAILED
        except (BillRunError, PeriodError) as error:
            complain(str(error))
            return FAILED
        if report.waiting:
            complain(f"{report.period} is above the limit and waits for a second person: POST /api/v1/bill-runs/approve")
            return PARTLY
        found = {"period": report.period, "issued": report.made, "stood_already": report.stood, "exceptions": report.exceptions}
        say(json.dumps(found) if as_json else f"{report.period}: {report.made} issued, {report.stood} stood already")
        for exception in report.exceptions:
            complain(json.dumps(exception))
        return PARTLY if report.exceptions else OK

    return with_store(config, data, act)


def explain(config: Path | None, data: Path | None, line: str, as_json: bool) -> int:
    number, _, line_no = line.rpartition("/")
    if not number or not line_no.isdecimal():
        complain("write the invoice's number and the line, e.g. INV-2026-00001/2")
        return USAGE

    async def act(settings: StationSettings, folder: Path, state: State) -> int:
        from bss.explain import explain as tree_of
        from bss.explain_text import text
        from inventory.picture import Picture
        from perf.names import Names
        from perf.store import TelemetryStore
        from station.hub import Hub

        picture = Picture(state, Hub())
        await picture.reload()
        async with opened_telemetry(settings, folder) as client:
            tree = await tree_of(state, STATION, TelemetryStore(client, Names(picture.current)), number, int(line_no))
        if tree is None:
            complain(f"there is no line {line_no} on an invoice {number}")
            return FAILED
        say(json.dumps(tree, indent=2) if as_json else text(tree))
        return OK

    return with_store(config, data, act)


def import_usage(config: Path | None, data: Path | None, file: Path, source: str, form: str, as_json: bool) -> int:
    """Exit code 3 when some lines were refused; a file delivered again changes nothing."""

    async def act(settings: StationSettings, _folder: Path, state: State) -> int:
        from collections import Counter

        from billing_bridge import events, intake

        found: Counter[str] = Counter()
        try:
            with file.open("rb") as lines:
                for batch in intake.batches(intake.read(lines, intake.Form(form), source), settings.billing.batch_max):
                    verdicts = await events.take(state, STATION, batch, settings.billing, SystemClock().now_ns())
                    found.update(f"{it.kind.value} {it.reason}".strip() for it in verdicts)
        except (OSError, ValueError) as error:
            complain(f"{file}: {error}")
            return USAGE
        say(json.dumps(found) if as_json else "\n".join(f"{n:>10} {kind}" for kind, n in sorted(found.items())) or "nothing")
        return PARTLY if any(kind.startswith(("rejected", "duplicate_conflict")) for kind in found) else OK

    return with_store(config, data, act)


def verify_usage(config: Path | None, data: Path | None) -> int:
    """Exit code 1 when a fact of the usage books was changed, removed or is missing."""

    async def act(_settings: StationSettings, _folder: Path, state: State) -> int:
        from billing_bridge.proof import verify

        if (broken := await verify(state, STATION)) is None:
            say("every fact is as it was written")
            return OK
        complain(f"{broken.book} of {broken.source}, fact {broken.seq}: {broken.why}")
        return FAILED

    return with_store(config, data, act)
