"""pygnmi, with each server's certificate pinned, against the gNMI targets; `test_simulator_gnmi.py` runs it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from typing import Any

import grpc
import pytest
from pygnmi.client import gNMIclient, gNMIException

from tests.peers.simulator.conftest import Running

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

NAMES = "/interfaces/interface[name=*]/state"
WITHIN_S = 60


@pytest.fixture(scope="module")
def target(start: Callable[..., Running]) -> Running:
    return start("--gnmi-devices", "3")


@contextmanager
def client(target: Running, device: str = "ham-core-1", address: str = "127.64.1.1") -> Iterator[Any]:
    certificate = Path(target.ready["gnmi"]["ca_file"]).with_name(f"{device}.pem")
    where = (address, str(target.ready["gnmi"]["port"]))
    options = {"username": "trunkline", "password": "simulated-network", "path_cert": str(certificate), "gnmi_timeout": WITHIN_S}
    grpc_options = [("grpc.ssl_target_name_override", device)]
    connection = gNMIclient(target=where, grpc_options=grpc_options, **options)
    connection.connect(timeout=WITHIN_S)
    try:
        yield connection
    finally:
        connection.close()


def subscription(mode: str, *streams: dict[str, Any]) -> dict[str, Any]:
    return {"subscription": list(streams), "mode": mode, "encoding": "json_ietf"}


def test_capabilities_name_the_model(target: Running) -> None:
    with client(target) as connection:
        answer = connection.capabilities()
    assert [model["name"] for model in answer["supported_models"]] == ["openconfig-interfaces"]
    assert "json_ietf" in answer["supported_encodings"]


def test_get_gives_counters_as_text_and_states_as_names(target: Running) -> None:
    with client(target) as connection:
        answer = connection.get(path=["/interfaces/interface[name=et-0/0/1]/state"], encoding="json_ietf")
    (update,) = answer["notification"][0]["update"]
    assert update["val"]["oper-status"] == "UP"
    assert int(update["val"]["counters"]["in-octets"]) > 10**12
    assert isinstance(update["val"]["counters"]["in-octets"], str)


def test_once_gives_every_leaf_and_then_says_sync(target: Running) -> None:
    with client(target) as connection:
        told = list(connection.subscribe2(subscription("once", {"path": f"{NAMES}/oper-status", "mode": "sample"})))
    states = [update for said in told if "update" in said for update in said["update"]["update"]]
    assert len(states) == 5
    assert told[-1] == {"sync_response": True}


def test_a_sample_comes_again_with_higher_counters(target: Running) -> None:
    stream = {"path": "/interfaces/interface[name=et-0/0/1]/state/counters", "mode": "sample", "sample_interval": 1_000_000_000}
    with client(target) as connection:
        updates = connection.subscribe2(subscription("stream", stream))
        seen = [octets(next_update(updates)) for _ in range(2)]
    assert seen[0] < seen[1]


def test_a_cut_is_told_on_change(target: Running) -> None:
    stream = {"path": f"{NAMES}/oper-status", "mode": "on_change"}
    with client(target) as connection:
        updates = connection.subscribe2(subscription("stream", stream))
        while "sync_response" not in updates.get_update(timeout=WITHIN_S):
            pass
        target.ask("/cut", {"kind": "link", "a": "ham-core-1", "b": "ber-core-1"})
        assert [update["val"] for update in next_update(updates)] == ["DOWN"]
        target.ask("/restore", {"kind": "link", "a": "ham-core-1", "b": "ber-core-1"})
        assert [update["val"] for update in next_update(updates)] == ["UP"]


@pytest.mark.parametrize(
    ("user", "path", "status"),
    [("nobody", "/interfaces", grpc.StatusCode.UNAUTHENTICATED), ("trunkline", "/nothing", grpc.StatusCode.NOT_FOUND)],
)
def test_a_wrong_user_and_a_wrong_path_are_refused(target: Running, user: str, path: str, status: grpc.StatusCode) -> None:
    with client(target) as connection:
        connection._gNMIclient__metadata = [("username", user), ("password", "simulated-network")]
        with pytest.raises(gNMIException) as caught:
            connection.get(path=[path], encoding="json_ietf")
    assert caught.value.orig_exc.code() is status


def test_the_ca_file_verifies_every_target_by_its_address(target: Running) -> None:
    roots = Path(target.ready["gnmi"]["ca_file"]).read_bytes()
    assert target.ready["gnmi"]["addresses"] == ["127.64.1.1", "127.64.2.1", "127.64.3.1"]
    for address in target.ready["gnmi"]["addresses"]:
        credentials = grpc.ssl_channel_credentials(roots)
        with grpc.secure_channel(f"{address}:{target.ready['gnmi']['port']}", credentials) as channel:
            grpc.channel_ready_future(channel).result(WITHIN_S)


def next_update(updates: Any) -> list[dict[str, Any]]:
    """The updates of the next message that has some."""
    while True:
        try:
            said = updates.get_update(timeout=WITHIN_S)
        except (Empty, TimeoutError):
            pytest.fail("no update came")
        if "update" in said:
            found: list[dict[str, Any]] = said["update"]["update"]
            return found


def octets(updates: list[dict[str, Any]]) -> int:
    return next(int(update["val"]) for update in updates if update["path"].endswith("in-octets"))
