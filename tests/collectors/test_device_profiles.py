"""Device profiles against recordings: discovery and one poll over UDP, everything found compared with what must be."""

import math
from itertools import pairwise
from pathlib import Path

import pytest

from collectors.codecs.ber import OBJECT_IDENTIFIER, Oid, parse_oid
from collectors.codecs.snmp import TIME_TICKS, VarBind
from collectors.facts import look
from collectors.settings import SnmpSettings
from collectors.snmp.client import Limits
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.engine import Engine
from collectors.snmp.poller import Poller
from collectors.snmp.profile_model import Example, Profile
from collectors.snmp.profiles import ProfileError, load_profile, shipped_profiles
from inventory.entities import plan
from inventory.facts import DeviceFacts
from inventory.topology import Device, Entity, Topology
from station.batch import Notification, SampleBatch
from station.catalogue import metrics_by_code
from station.channel import Channel
from station.clock import SystemClock
from station.series import entity_key
from tests.collectors.recordings import answering, read_recording, text_cell

PROFILES = shipped_profiles()
EXAMPLES = [(profile, example) for profile in PROFILES.by_name.values() for example in profile.examples]
CREDENTIAL = SnmpCredential(community="public")
_OF_EVERY_DEVICE = ("device.availability", "device.poll_duration", "device.uptime")


async def look_and_poll(cells: dict[Oid, VarBind]) -> tuple[DeviceFacts, dict[str, float]]:
    """What discovery finds in a recording, and every value of one poll by metric and entity name; interfaces left out."""
    engine = Engine()
    try:
        async with answering(cells) as port:
            facts = await look(engine, "127.0.0.1", port, [CREDENTIAL], PROFILES, limits=Limits(timeout_s=1.0, retries=1))
            assert isinstance(facts, DeviceFacts), facts
            return facts, await _poll(facts, port)
    finally:
        engine.close()


def topology_of(facts: DeviceFacts, port: int) -> Topology:
    """The inventory after that one look."""
    rows = plan(facts, [], device_no=1, tenant=1, now_ns=1).new
    names = ("id", "kind", "name", "if_index", "oid", "scale", "metric", "parent_entity_no")
    entities = [Entity(key=entity_key(1, row["entity_no"]), **{name: row[name] for name in names}) for row in rows]
    device = Device(1, "1", "recorded", "", "127.0.0.1", snmp_port=port, profile=facts.profile)
    return Topology(version=1, devices={1: device}, entities={entity.key: entity for entity in entities})


async def _poll(facts: DeviceFacts, port: int) -> dict[str, float]:
    topology = topology_of(facts, port)
    samples = Channel[SampleBatch]("recorded samples", 1000)
    poller = Poller(
        SnmpSettings(),
        topology=lambda: topology,
        credential_of=lambda _: CREDENTIAL,
        profiles=PROFILES,
        samples=samples,
        notifications=Channel[tuple[Notification, ...]]("recorded notifications", 10),
        clock=SystemClock(),
    )
    try:
        assert await poller.poll_now(1)
    finally:
        poller.close()
    batch = await samples.get()
    found: dict[str, float] = {}
    for series, value, raw in zip(batch.series.tolist(), batch.value.tolist(), batch.raw.tolist(), strict=True):
        metric, entity = metrics_by_code()[series & 0xFF], topology.entities.get(series >> 8)
        if metric.name not in _OF_EVERY_DEVICE and not metric.name.startswith("interface."):
            found[metric.name if entity is None else f"{metric.name} {entity.name}"] = raw if math.isnan(value) else value
    return found


def cells_of(example: Example) -> dict[Oid, VarBind]:
    system = [
        text_cell("1.3.6.1.2.1.1.1.0", example.sys_descr),
        VarBind(parse_oid("1.3.6.1.2.1.1.2.0"), OBJECT_IDENTIFIER, parse_oid(example.sys_object_id)),
        VarBind(parse_oid("1.3.6.1.2.1.1.3.0"), TIME_TICKS, 4711),
        text_cell("1.3.6.1.2.1.1.5.0", "recorded"),
    ]
    return read_recording(example.recording) | {cell.oid: cell for cell in system}


@pytest.mark.parametrize(("profile", "example"), EXAMPLES, ids=lambda value: value.says if isinstance(value, Example) else value.name)
async def test_every_example_of_every_profile_gives_what_it_must_over_the_wire(profile: Profile, example: Example) -> None:
    facts, found = await look_and_poll(cells_of(example))
    if example.expect:
        assert facts.profile == (profile.name if profile.match or not profile.everywhere else "generic")
    assert found == pytest.approx(dict(example.expect), rel=1e-6)
    assert (facts.model if example.model else "", facts.serial if example.serial else "") == (example.model, example.serial)


@pytest.mark.parametrize("profile", PROFILES.by_name.values(), ids=lambda profile: profile.name)
def test_every_profile_has_an_example_that_acts(profile: Profile) -> None:
    assert any(example.expect for example in profile.examples)


def test_no_two_profiles_claim_a_device_alike() -> None:
    claims = sorted((prefix, p.descr, p.probes, p.name) for p in PROFILES.by_name.values() for prefix in p.match)
    assert [(a, b) for a, b in pairwise(claims) if a[:3] == b[:3]] == []


def test_a_fault_in_a_profile_names_file_line_and_key(tmp_path: Path) -> None:
    path = tmp_path / "acme.toml"
    path.write_text('summary = "x"\n\n[[sensors]]\nmetric = "sensor.temperature"\noid = "1.3.6.1.4.1.1"\nscal = 0.1\n')
    with pytest.raises(ProfileError) as raised:
        load_profile(path)
    assert str(raised.value) == f"{path}:6: sensors.0.scal: unknown key; did you mean 'scale'?"
