"""What Prometheus reads: our names and the MIB's, hostile labels as text, a cap that counts."""

import shutil
import subprocess

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from perf.exposition import Exposition, Wanted, targets
from perf.last import LastColumns
from perf.names import Names
from station.catalogue import code_of, metrics_by_code
from tests.perf.conftest import METERED, PLAIN, SENSOR, topology

IN, OPER = code_of("interface.in_octets"), code_of("interface.oper_status")


def last() -> LastColumns:
    series = np.array([METERED << 8 | IN, METERED << 8 | OPER, PLAIN << 8 | IN, SENSOR << 8 | 64, 9 << 24 | IN], np.uint64)
    values = np.array([10.5, 1, 3, 41.25, 1])
    raw = np.array([2**64 - 1, 0, 7, 0, 1], np.uint64)
    return LastColumns(series, np.full(5, 1), values, raw, np.zeros(5, np.uint8))


def encoded(wanted: Wanted, limit: int = 100) -> str:
    picture = topology()
    return Exposition(Names(lambda: picture), series_limit=limit).encode(last(), wanted).decode()


def test_counters_are_exact_totals_and_hostile_labels_stay_text() -> None:
    lines = encoded(Wanted()).splitlines()
    alias = r"to \"Berlin\"\n\\"
    labels = f'{{node="ham-core-1",site="Hamburg-01",interface="xe-0/0/1",alias="{alias}"}}'
    assert f"trunkline_interface_receive_bytes_total{labels} {2**64 - 1}" in lines
    assert "# TYPE trunkline_interface_receive_bytes_total counter" in lines
    assert 'trunkline_sensor_temperature_celsius{node="ber-core-1",site="Berlin-01",sensor="inlet"} 41.25' in lines
    assert len([line for line in lines if not line.startswith("#")]) == 4  # the unknown device is left out


def test_the_mibs_names_carry_the_labels_bought_dashboards_expect() -> None:
    text = encoded(Wanted(snmp_names=True))
    assert 'ifHCInOctets{instance_name="ham-core-1",ifIndex="502",ifName="xe-0/0/2",ifAlias="",ifDescr=""} 7\n' in text
    assert "temperature" not in text


def test_openmetrics_names_the_family_and_ends() -> None:
    text = encoded(Wanted(openmetrics=True))
    assert "# TYPE trunkline_interface_receive_bytes counter\n" in text
    assert text.endswith("# EOF\n")


def test_a_site_and_a_module_can_be_asked_for() -> None:
    assert "ber-core-1" not in encoded(Wanted(site="Hamburg-01"))
    assert "interface" not in encoded(Wanted(module="sensor")).replace("sensor", "")
    assert encoded(Wanted(site="nowhere")) == ""


def test_the_cap_leaves_out_the_rest() -> None:
    assert len([line for line in encoded(Wanted(), limit=2).splitlines() if not line.startswith("#")]) == 2


def test_service_discovery_lists_each_site_with_its_labels() -> None:
    assert b'"__meta_trunkline_site": "Berlin-01"' in targets(topology(), "127.0.0.1:8080")


def test_promtool_finds_nothing_to_say() -> None:
    promtool = shutil.which("promtool")
    assert promtool, "apt-get install prometheus"
    checked = subprocess.run([promtool, "check", "metrics"], input=encoded(Wanted()), capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@pytest.mark.parametrize("snmp_names", [False, True])
def test_an_independent_parser_of_openmetrics_takes_every_metric_of_the_catalogue(snmp_names: bool) -> None:
    codes = np.array(sorted(metrics_by_code()), np.uint64)
    key_of = {"interface": METERED, "sensor": SENSOR}
    keys = np.array([key_of.get(metrics_by_code()[int(code)].entity, METERED >> 16 << 16) for code in codes], np.uint64)
    values = np.where(codes % np.uint64(3) == 0, np.nan, 0.5)
    raw = np.full(len(codes), 2**53, np.uint64)
    heard = LastColumns(keys << np.uint64(8) | codes, np.full(len(codes), 1), values, raw, np.zeros(len(codes), np.uint8))
    picture = topology()
    wanted = Wanted(openmetrics=True, snmp_names=snmp_names)
    text = Exposition(Names(lambda: picture), series_limit=1_000).encode(heard, wanted).decode()
    families = list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
    told = [metric for metric in metrics_by_code().values() if metric.snmp or not snmp_names]
    assert sum(len(family.samples) for family in families) == len(told)
    counters = {sample.name: sample.value for family in families for sample in family.samples if family.type == "counter"}
    assert set(counters.values()) == ({2**53} if not snmp_names else set())
