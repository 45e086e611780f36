"""Samples that others send: understood by mappings, refused by reason, answered once they are kept."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pyarrow as pa
import pytest
from fastapi import FastAPI, Request, Response
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest, ExportMetricsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from starlette.middleware.base import RequestResponseEndpoint

from inventory.topology import Entity, Topology
from perf.incoming import places, remote_write
from perf.incoming.api import router
from perf.incoming.intake import Intake
from perf.incoming.places import Places
from perf.incoming.points import IncomingError, Told
from perf.last import LastValues
from perf.names import Names
from perf.remote_write import RemoteWrite
from perf.settings import RemoteWriteSettings
from station.batch import SampleBatch
from station.catalogue import code_of, metrics_by_code
from station.channel import Channel
from station.data import data_dir
from station.scope import STATION, ForbiddenError, Role, Scope
from station.web import ProblemError
from tests.perf.conftest import METERED, topology
from tests.perf.test_perf_pipeline import poll

NOW = 1_780_000_000 * 10**9
FILES = sorted((data_dir("config") / "metrics_in").glob("*.toml"))
IN = METERED << 8 | code_of("interface.in_octets")


def little() -> Topology:
    picture = topology()
    renamed = {1: replace(picture.devices[1], name="r1"), 2: picture.devices[2]}
    entity = Entity(METERED, "if-1", "interface", "if-1", if_index=501, speed_bps=10**9)
    return Topology(1, picture.sites, renamed, {**picture.entities, METERED: entity})


def intake(known: Topology | None = None, capacity: int = 10) -> tuple[Intake, Channel[SampleBatch]]:
    samples: Channel[SampleBatch] = Channel("incoming", capacity)
    picture = known or topology()
    return Intake(Places(Names(lambda: picture)), samples, lambda: samples.taken), samples


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_mapping_means_what_its_examples_say(path: Path) -> None:
    file = places.read(path)
    known = Places(Names(little), places.meanings([file]))
    for example in file.examples:
        place = known.of(example.name, tuple(sorted(example.labels.items())))
        said = place.metric.name if place.series and place.metric else ""
        assert said == example.expect, example.says
    assert any(example.expect for example in file.examples) and not all(example.expect for example in file.examples)


def test_what_one_station_writes_another_takes_with_every_total() -> None:
    last = LastValues()
    last.take(poll(METERED, NOW, (2**40 + 5, 7)))
    (body,) = (r.body for r in RemoteWrite(RemoteWriteSettings(url="http://x"), last, Names(topology), lambda _: {}).requests())
    batch, refused = intake()[0].batch(remote_write.told(body))
    raw = dict(zip(batch.series.tolist(), batch.raw.tolist(), strict=True))
    assert (raw[IN], set(batch.time_ns.tolist()), refused.total()) == (2**40 + 5, {NOW}, 0)
    assert {metrics_by_code()[key & 255].name for key in raw} >= {"interface.in_octets", "interface.out_octets", "interface.oper_status"}


@given(st.binary(max_size=200))
def test_any_octets_are_a_request_or_are_refused(body: bytes) -> None:
    for tried in (body, pa.compress(body, codec="snappy", asbytes=True)):
        with suppress(IncomingError):
            remote_write.told(tried)


def test_a_block_that_claims_to_be_huge_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(IncomingError, match="octets after snappy"):
        remote_write.told(b"\xff\xff\xff\xff\x0f" + bytes(20))


PORT = (("interface", "xe-0/0/1"), ("node", "ham-core-1"))
BAD = {
    "not_a_number": Told("trunkline_interface_receive_bytes_total", PORT, ((NOW, float("nan")), (NOW, float("inf")))),
    "negative_counter": Told("trunkline_interface_receive_bytes_total", PORT, ((NOW, -1.0),)),
    "too_large": Told("trunkline_interface_receive_bytes_total", PORT, ((NOW, 2.0**64),)),
    "not_a_time": Told("trunkline_interface_receive_bytes_total", PORT, ((1 << 63, 1.0), (-(1 << 63) - 1, 1.0))),
    "unknown_metric": Told("node_load1", PORT, ((NOW, 1.0),)),
    "unknown_device": Told("trunkline_interface_receive_bytes_total", (("node", "nobody"),), ((NOW, 1.0),)),
    "unknown_entity": Told("trunkline_interface_receive_bytes_total", (("node", "ham-core-1"),), ((NOW, 1.0),)),
    "unknown_unit": Told("trunkline_interface_receive_bytes_total", PORT, ((NOW, 1.0),), "furlong"),
    "not_plausible": Told("trunkline_sensor_temperature_celsius", (("node", "ber-core-1"), ("sensor", "inlet")), ((NOW, 9e9),)),
}


@pytest.mark.parametrize("reason", BAD)
def test_what_is_no_sample_is_refused_by_its_reason_and_harms_no_other(reason: str) -> None:
    good = Told("trunkline_interface_receive_bytes_total", PORT, ((NOW, 5.0),))
    batch, refused = intake()[0].batch([BAD[reason], good])
    assert dict(refused) == {reason: len(BAD[reason].samples)}
    assert (batch.series.tolist(), batch.raw.tolist()) == ([IN], [5])


def test_units_on_the_wire_become_ours() -> None:
    told = [Told("trunkline_sensor_temperature_celsius", (("node", "ber-core-1"), ("sensor", "inlet")), ((NOW, 30.0),), "Cel")]
    told += [Told("trunkline_interface_receive_bytes_total", PORT, ((NOW, 3.0),), "KiBy")]
    batch, _ = intake()[0].batch(told)
    assert sorted(zip(batch.value.tolist(), batch.raw.tolist(), strict=True), key=str)[0] == (30.0, 0)
    assert 3 * 1024 in batch.raw.tolist()


def otlp(value: int, unit: str = "By") -> ExportMetricsServiceRequest:
    def pair(key: str, text: str) -> KeyValue:
        return KeyValue(key=key, value=AnyValue(string_value=text))

    message = ExportMetricsServiceRequest()
    resource = message.resource_metrics.add()
    resource.resource.attributes.append(pair("host.name", "r1"))
    metric = resource.scope_metrics.add().metrics.add(name="system.network.io", unit=unit)
    metric.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    point = metric.sum.data_points.add(time_unix_nano=NOW, as_int=value)
    point.attributes.extend([pair("network.interface.name", "if-1"), pair("network.io.direction", "receive")])
    resource.scope_metrics[0].metrics.add(name="http.duration").histogram.data_points.add(count=3)
    return message


@asynccontextmanager
async def served(scope: Scope = STATION) -> AsyncIterator[tuple[httpx.AsyncClient, list[SampleBatch]]]:
    """The endpoints over a pipeline that keeps what it takes."""
    taking, samples = intake(little())
    app, kept = FastAPI(), list[SampleBatch]()
    app.include_router(router(taking, Names(little)))

    @app.middleware("http")
    async def signed_in(request: Request, following: RequestResponseEndpoint) -> Response:
        request.state.scope = scope
        return await following(request)

    @app.exception_handler(ProblemError)
    async def problem(_request: Request, error: ProblemError) -> Response:
        return error.response()

    async def keep() -> None:
        while True:
            kept.append(await samples.get())

    keeping = asyncio.create_task(keep())
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://station") as client:
            yield client, kept
    finally:
        keeping.cancel()


async def test_otlp_in_both_forms_is_kept_before_it_is_answered() -> None:
    message = otlp(123)
    document = {
        "resourceMetrics": [
            {
                "resource": {"attributes": [{"key": "host.name", "value": {"stringValue": "r1"}}]},
                "scopeMetrics": [
                    {
                        "metrics": [
                            {
                                "name": "system.cpu.utilization",
                                "unit": "1",
                                "gauge": {"dataPoints": [{"timeUnixNano": str(NOW), "asDouble": 0.25}]},
                            }
                        ]
                    }
                ],
            }
        ]
    }
    async with served() as (client, kept):
        binary = await client.post("/v1/metrics", content=message.SerializeToString(), headers={"content-type": "application/x-protobuf"})
        text = await client.post("/v1/metrics", json=document)
        odd = await client.post(
            "/v1/metrics", content=otlp(1, "furlong").SerializeToString(), headers={"content-type": "application/x-protobuf"}
        )
        wrong = await client.post("/v1/metrics", content=b"\xff\xff", headers={"content-type": "application/x-protobuf"})
    assert [answer.status_code for answer in (binary, text, odd, wrong)] == [200, 200, 200, 400]
    assert text.json() == {} and ExportMetricsServiceResponse.FromString(binary.content).partial_success.rejected_data_points == 0
    partial = ExportMetricsServiceResponse.FromString(odd.content).partial_success
    assert (partial.rejected_data_points, partial.error_message) == (1, "unknown_unit 1")
    octets, load = kept
    assert (octets.series.tolist(), octets.raw.tolist(), octets.time_ns.tolist()) == ([IN], [123], [NOW])
    assert (load.series.tolist(), load.value.tolist()) == ([1 << 24 | code_of("device.cpu_utilisation")], [0.25])


async def test_a_viewer_sends_nothing_and_a_region_speaks_only_for_itself() -> None:
    body = otlp(5).SerializeToString()
    headers = {"content-type": "application/x-protobuf"}
    async with served(replace(STATION, role=Role.VIEWER)) as (client, kept):
        with pytest.raises(ForbiddenError, match="operator"):
            await client.post("/v1/metrics", content=body, headers=headers)
    async with served(replace(STATION, role=Role.OPERATOR, regions=("east",))) as (client, kept):
        answer = await client.post("/v1/metrics", content=body, headers=headers)
        assert json.dumps(ExportMetricsServiceResponse.FromString(answer.content).partial_success.error_message) == '"not_allowed 1"'
        assert kept == []


async def test_samples_that_are_not_kept_are_to_be_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perf.incoming.intake.DURABLE_WITHIN_S", 0.05)
    taking, _ = intake()
    app = FastAPI()
    app.include_router(router(taking, Names(topology)))

    @app.middleware("http")
    async def signed_in(request: Request, following: RequestResponseEndpoint) -> Response:
        request.state.scope = STATION
        return await following(request)

    @app.exception_handler(ProblemError)
    async def problem(_request: Request, error: ProblemError) -> Response:
        return error.response()

    last = LastValues()
    last.take(poll(METERED, NOW, (1, 2)))
    (body,) = (r.body for r in RemoteWrite(RemoteWriteSettings(url="http://x"), last, Names(topology), lambda _: {}).requests())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://station") as client:
        assert (await client.post("/api/v1/write", content=body)).status_code == 503
