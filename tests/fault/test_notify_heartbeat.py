"""While the station lives it says so outward, and a receiver that fails changes nothing."""

from pathlib import Path

from tests.fault.network import store_at
from tests.fault.notifying import QUICK, notifier_on, running
from tests.fault.receiver import receiving


async def test_a_sign_of_life_goes_out_again_and_again_whatever_is_answered(tmp_path: Path) -> None:
    state = await store_at(tmp_path)
    async with receiving(lambda _: 500) as watchman:
        settings = QUICK.model_copy(update={"heartbeat_url": watchman.url, "heartbeat_s": 0.02})
        async with running(notifier_on(state, settings)):
            await watchman.until(lambda: len(watchman.requests) >= 3)
    assert {it.method for it in watchman.requests} == {"GET"}
    await state.close()
