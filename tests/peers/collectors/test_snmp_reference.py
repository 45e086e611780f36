"""Two implementations read the same: ours and pysnmp, from an agent of the simulated network."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from collectors.codecs.ber import parse_oid
from collectors.snmp.client import SnmpClient, SnmpError
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.engine import Engine
from collectors.snmp.reference import get

ADDRESS = "127.64.1.1"
NAMES = ["1.3.6.1.2.1.1.5.0", "1.3.6.1.2.1.2.1.0", "1.3.6.1.2.1.2.2.1.2.501"]
CREDENTIALS = [
    SnmpCredential(community="public"),
    SnmpCredential(
        version="3",
        user="trunkline",
        auth_protocol="sha256",
        auth_password="simulated-network",
        priv_protocol="aes128",
        priv_password="simulated-network",
    ),
]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((ADDRESS, 0))
        free: int = probe.getsockname()[1]
    command = [sys.executable, "-m", "simulator", "--size", "24", "--port", str(free), "--gnmi-devices", "0", "--no-script"]
    with subprocess.Popen([*command, "--data", str(tmp_path_factory.mktemp("sim"))], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["ready"]
        yield free
        process.terminate()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("credential", CREDENTIALS, ids=["v2c", "v3 authPriv"])
async def test_both_clients_read_the_same(port: int, credential: SnmpCredential) -> None:
    engine = Engine()
    ours = await SnmpClient(engine, ADDRESS, port, credential).get([parse_oid(name) for name in NAMES])
    engine.close()
    texts = [varbind.value.decode() if isinstance(varbind.value, bytes) else str(varbind.value) for varbind in ours]
    assert [value for _, value in await get(ADDRESS, port, credential, NAMES)] == texts


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
async def test_no_answer_is_an_error_in_words(port: int) -> None:
    with pytest.raises(SnmpError, match="reference"):
        await get(ADDRESS, port, SnmpCredential(community="wrong"), NAMES[:1])
