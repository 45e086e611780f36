"""The station's own sign of life, outward: a request to a URL every so often. Its absence is the alarm, elsewhere."""

import asyncio

import structlog

from fault.metrics import HEARTBEATS
from fault.notify.settings import NotifySettings
from station.security.targets import DeliveryError, Guard, TargetError

log = structlog.get_logger("notify")


async def beat(guard: Guard, url: str) -> str:
    """One; "" when it was taken, else why not."""
    try:
        reply = await guard.send(await guard.check(url), method="GET")
    except (TargetError, DeliveryError) as error:
        return str(error)
    return "" if reply.status < 400 else f"answered {reply.status}"


async def keep_beating(guard: Guard, settings: NotifySettings) -> None:
    """Until cancelled; what fails is said once, not each time."""
    said = ""
    while settings.heartbeat_url:
        why = await beat(guard, settings.heartbeat_url)
        HEARTBEATS.labels("failed" if why else "sent").inc()
        if why and not said:
            log.warning("the heartbeat is not taken", why=why[:500])
        said = why
        await asyncio.sleep(settings.heartbeat_s)
