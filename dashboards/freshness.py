"""How fresh the picture is, told to every console: how many interfaces were heard lately and what they carry together."""

import asyncio
from typing import Final

from perf.totals import Totals
from station.hub import Hub
from station.scope import STATION

EVERY_S: Final = 5.0
TOPIC: Final = "freshness"


async def publish(totals: Totals, hub: Hub) -> None:
    """Publish until cancelled; the message is what `/api/v1/now` says of the present."""
    while True:
        hub.publish(TOPIC, totals.now(totals.sight(STATION)))
        await asyncio.sleep(EVERY_S)
