"""The report of each month by mail: once, to an e-mail webhook, through the outbox."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from fault import store
from fault.notify import mail
from fault.notify.outbox import Notifier
from fault.notify.routes import Webhook
from fault.report_pdf import lasted, pdf
from fault.reports_api import month_span, report_of
from fault.service import FaultService
from station.clock import NS_PER_S
from station.scope import Role, Scope

log = structlog.get_logger("fault")

LOOK_EVERY_S: Final = 3_600.0


class MonthlyReport:
    """`[fault] monthly_report` names the webhook; what was sent is kept, so that a restart sends nothing twice."""

    def __init__(self, service: FaultService, notifier: Notifier, *, simulated: bool = False) -> None:
        self._service, self._notifier, self._simulated = service, notifier, simulated

    async def run(self) -> None:
        """Look every hour until cancelled, where it is wished."""
        while self._service.settings.monthly_report:
            try:
                await self.look()
            except SQLAlchemyError as error:
                log.error("the report of the month is not sent", error=str(error)[:500])
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> bool:
        """Send the report of the month that is over, unless it was; whether it went into the outbox."""
        service, now_ns = self._service, self._service.clock.now_ns()
        month = before(now_ns)
        number = int(month.replace("-", ""))
        hook = next((each for each in await self._notifier.webhooks() if each.name == service.settings.monthly_report), None)
        if hook is None or hook.format != mail.NAME:
            log.error("[fault] monthly_report names no e-mail webhook", webhook=service.settings.monthly_report)
            return False
        source = f"fault report to {hook.id}"
        async with service.state.read() as conn:
            if await store.position_of(conn, service.tenant, source) >= number:
                return False
        body = await self._letter(hook, month, now_ns)
        async with service.state.write() as conn:
            await self._notifier.letter(conn, hook, f"faults {month}", body, now_ns)
            await store.save_position(conn, service.tenant, source, number)
        self._notifier.wake()
        return True

    async def _letter(self, hook: Webhook, month: str, now_ns: int) -> dict[str, object]:
        caller = Scope(self._service.tenant, Role.VIEWER, "station")
        said = await report_of(self._service, caller, month_span(month), self._notifier.plans.teams)
        content = await asyncio.to_thread(pdf, month, said, now_ns, simulated=self._simulated)
        whole = said["all"]
        lines = [
            f"{whole['faults']} faults in {month}.",
            f"Taken after {lasted(whole['mtta_s'])}, over after {lasted(whole['mttr_s'])}, between failures {lasted(whole['mtbf_s'])}.",
            f"Customers lost {said['customer_minutes_lost']:,.0f} minutes.",
            *(["This is a simulated network."] if self._simulated else []),
        ]
        attached = {"name": f"faults-{month}.pdf", "type": "application/pdf", "data": base64.b64encode(content).decode()}
        return {
            "to": mail.addresses(hook.url),
            "subject": f"Faults {month}",
            "text": "\n".join(lines),
            "thread": "faults",
            "attached": attached,
        }


def before(now_ns: int) -> str:
    """The calendar month (UTC) that was over last."""
    first = datetime.fromtimestamp(now_ns // NS_PER_S, UTC).replace(day=1)
    return (first - timedelta(days=1)).strftime("%Y-%m")
