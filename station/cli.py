"""The command `trunkline`: noun, verb, `--json`; exit codes 0 ok, 1 failed, 2 usage or settings, 3 partly.

Only names and help stand here; what a command does is imported when it runs, so that `--help` answers at once.
"""

import os
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Operations platform for network operators.", no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False
)
config_app = typer.Typer(help="Settings: check and show.", no_args_is_help=True)
alarm_app = typer.Typer(help="Alarms.", no_args_is_help=True)
device_app = typer.Typer(help="Devices.", no_args_is_help=True)
user_app = typer.Typer(help="Users and tokens.", no_args_is_help=True)
credential_app = typer.Typer(help="SNMP credentials and other logins in the vault.", no_args_is_help=True)
mib_app = typer.Typer(help="MIB modules.", no_args_is_help=True)
bill_app = typer.Typer(help="Bill runs.", no_args_is_help=True)
usage_app = typer.Typer(help="Usage records.", no_args_is_help=True)
try_app = typer.Typer(help="See what the station would make of a file; nothing is kept.", no_args_is_help=True)
db_app = typer.Typer(help="The state store.", no_args_is_help=True)
collector_app = typer.Typer(help="Collectors that run apart, at a POP or in another address space.", no_args_is_help=True)
fault_app = typer.Typer(help="Faults: replay a recorded stream, learn causes.", no_args_is_help=True)
grafana_app = typer.Typer(help="Grafana dashboards.", no_args_is_help=True)
for name, sub in {
    "config": config_app,
    "alarm": alarm_app,
    "device": device_app,
    "user": user_app,
    "credential": credential_app,
    "mib": mib_app,
    "bill": bill_app,
    "usage": usage_app,
    "try": try_app,
    "db": db_app,
    "grafana": grafana_app,
    "fault": fault_app,
    "collector": collector_app,
}.items():
    app.add_typer(sub, name=name)

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="Settings file; default: config/station.toml beside the data, else built-in defaults.",
        envvar="TRUNKLINE_CONFIG",
    ),
]
Data = Annotated[Path | None, typer.Option("--data", help="Folder of everything the station keeps.", envvar="TRUNKLINE_DATA")]
Samples = Annotated[Path | None, typer.Option("--telemetry", help="Folder for a copy of the embedded telemetry store.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]
Port = Annotated[int | None, typer.Option("--port", help="Port of the console on loopback; default 8080.")]


@app.command()
def demo(
    data: Data = None,
    size: Annotated[int, typer.Option(help="Devices in the simulated network.", min=60, max=2000)] = 60,
    port: Port = None,
    script: Annotated[bool, typer.Option(help="Play the scripted stories.")] = True,
    keep: Annotated[bool, typer.Option(help="Go on with the data of the last demo instead of starting anew.")] = False,
    history: Annotated[bool, typer.Option(help="Write 35 simulated days of history in the background.")] = True,
    poisoned: Annotated[bool, typer.Option(help="Add a device whose every text is an attack.")] = False,
    hostile: Annotated[str, typer.Option(help="How the last but one agent misbehaves; `--hostile help` names the kinds.")] = "",
) -> None:
    """A station on a clearly labelled simulated network, with the console on http://127.0.0.1:8080."""
    from station.commands.demo import DemoOptions
    from station.commands.demo import demo as start

    options = DemoOptions(data, size, port, script=script, keep=keep, history=history, poisoned=poisoned, hostile=hostile)
    raise typer.Exit(start(options))


@app.command()
def run(config: Config = None, data: Data = None, port: Port = None) -> None:
    """Run the station with its settings until stopped."""
    from station.commands.run import run as start

    raise typer.Exit(start(config, data, port, ()))


@app.command()
def up(
    discover: Annotated[list[str], typer.Option("--discover", help="Address range to discover, e.g. 192.0.2.0/24; may be repeated.")],
    config: Config = None,
    data: Data = None,
    port: Port = None,
    snmp_community_file: Annotated[Path | None, typer.Option(help="File with the SNMP v2c community; it is put into the vault.")] = None,
    snmp_port: Annotated[int | None, typer.Option(help="UDP port of the devices' agents.")] = None,
) -> None:
    """Run the station and discover the given ranges; nothing outside them is ever probed."""
    from station.commands.run import up as start

    raise typer.Exit(start(config, data, port, tuple(discover), snmp_community_file, snmp_port))


@app.command()
def discover(
    ranges: Annotated[list[str], typer.Argument(help="Addresses or ranges, e.g. 192.0.2.0/24.")],
    config: Config = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Look at every address of the ranges once and put what answers into the inventory."""
    from station.commands.discover import discover as act

    raise typer.Exit(act(config, data, tuple(ranges), as_json))


@app.command()
def explain(
    line: Annotated[str, typer.Argument(help="Invoice number and line, e.g. INV-2026-00001/2.")],
    config: Config = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Trace an invoice line back to the counter samples that made it."""
    from station.commands.money import explain as act

    raise typer.Exit(act(config, data, line, as_json))


@app.command()
def backup(file: Path, config: Config = None, data: Data = None, telemetry: Samples = None) -> None:
    """Write a consistent copy of the state store, the usage ledger included, while the station runs; and of the samples."""
    from station.commands.store import backup as act

    raise typer.Exit(act(config, data, file, telemetry))


@app.command()
def restore(file: Path, config: Config = None, data: Data = None, telemetry: Samples = None) -> None:
    """Put a backup in the place of the state store, and of the samples; the station must not be running."""
    from station.commands.store import restore as act

    raise typer.Exit(act(config, data, file, telemetry))


@config_app.command("check")
def config_check(config: Config = None) -> None:
    """Check the settings and every rule, profile, tariff and threshold; name file, line and key of each fault."""
    from station.commands.settings import check

    raise typer.Exit(check(config))


@config_app.command("show")
def config_show(config: Config = None) -> None:
    """Print the settings in force, defaults and overrides included; secrets are not settings."""
    from station.commands.settings import show

    raise typer.Exit(show(config))


@alarm_app.command("list")
def alarm_list(
    config: Config = None,
    data: Data = None,
    query: Annotated[str, typer.Option("--query", "-q", help="Filter line, e.g. 'severity>=major site:Berlin*'.")] = "",
    severity: Annotated[str, typer.Option(help="Least severity shown.")] = "",
    as_json: Json = False,
) -> None:
    """List active alarms, worst first."""
    from station.commands.lists import alarms

    raise typer.Exit(alarms(config, data, " ".join(filter(None, [query, f"severity>={severity}" if severity else ""])), as_json))


@device_app.command("list")
def device_list(config: Config = None, data: Data = None, as_json: Json = False) -> None:
    """List the devices of the inventory."""
    from station.commands.lists import devices

    raise typer.Exit(devices(config, data, as_json))


@device_app.command("show")
def device_show(name: str, config: Config = None, data: Data = None, as_json: Json = False) -> None:
    """Show one device with its interfaces."""
    from station.commands.lists import device

    raise typer.Exit(device(config, data, name, as_json))


@device_app.command("ask")
def device_ask(
    address: str,
    oids: Annotated[list[str], typer.Argument(help="OIDs to read.")],
    credential: Annotated[str, typer.Option(help="Its name in the vault or the settings.")] = "default",
    port: Annotated[int, typer.Option(help="UDP port of the agent.")] = 161,
    config: Config = None,
    data: Data = None,
) -> None:
    """Read variables of an agent by the reference implementation, to compare with what the station says."""
    from station.commands.ask import snmp

    raise typer.Exit(snmp(config, data, address, port, credential, oids))


@device_app.command("test")
def device_test(
    host: Annotated[str, typer.Argument(help="Address or name of the device.")],
    credential: Annotated[list[str] | None, typer.Option("--credential", help="What to try; default: all that discovery does.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="UDP port of the agent.")] = None,
    config: Config = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Say in plain words what works with a device and what does not; nothing is written."""
    from station.commands.check import device as act

    raise typer.Exit(act(config, data, host, port, credential or [], as_json=as_json))


@device_app.command("gnmi")
def device_gnmi(
    address: str,
    certificate: Annotated[Path, typer.Option(help="The target's own certificate, in PEM; it is the only one trusted.")],
    port: Annotated[int, typer.Option(help="TCP port of the target.")] = 9339,
) -> None:
    """What a gNMI target says it can, by an independent client."""
    from station.commands.ask import gnmi

    raise typer.Exit(gnmi(address, port, certificate))


@device_app.command("netconf")
def device_netconf(
    address: str,
    host_key: Annotated[str, typer.Option(help="The server's public key in base64, as in known_hosts.")],
    user: Annotated[str, typer.Option(help="Name to log in with.")],
    password_file: Annotated[Path, typer.Option(help="File with its password.")],
    port: Annotated[int, typer.Option(help="TCP port of the server.")] = 830,
    schema: Annotated[str, typer.Option(help="Print the text of this module instead.")] = "",
) -> None:
    """What a NETCONF server has: modules, event streams, what the station would read."""
    from station.commands.ask import netconf

    raise typer.Exit(netconf(address, port, host_key, (user, password_file), schema))


@user_app.command("add")
def user_add(
    name: str,
    role: Annotated[str, typer.Option(help="viewer, operator, engineer, billing or admin.")] = "viewer",
    config: Config = None,
    data: Data = None,
) -> None:
    """Add a user; the password is asked for (15 characters at least), never given on the command line."""
    from station.commands.users import add

    raise typer.Exit(add(config, data, name, role))


@user_app.command("token")
def user_token(
    name: Annotated[str, typer.Argument(help="What the token is for.")],
    role: Annotated[str, typer.Option(help="What it may do.")] = "viewer",
    days: Annotated[int, typer.Option(help="Days until it expires.", min=1, max=3650)] = 365,
    config: Config = None,
    data: Data = None,
) -> None:
    """Make an API token and print it once."""
    from station.commands.users import token

    raise typer.Exit(token(config, data, name, role, days))


@credential_app.command("add")
def credential_add(
    name: str,
    community_file: Annotated[Path | None, typer.Option(help="File with a v2c community.")] = None,
    user: Annotated[str, typer.Option(help="SNMPv3 user name.")] = "",
    auth: Annotated[str, typer.Option(help="md5, sha1, sha224, sha256, sha384 or sha512.")] = "",
    auth_file: Annotated[Path | None, typer.Option(help="File with the authentication password.")] = None,
    priv: Annotated[str, typer.Option(help="des, aes128, aes192 or aes256.")] = "",
    priv_file: Annotated[Path | None, typer.Option(help="File with the privacy password.")] = None,
    config: Config = None,
    data: Data = None,
) -> None:
    """Put an SNMP credential into the vault; secrets come from files, never from the command line."""
    from station.commands.users import credential

    raise typer.Exit(
        credential(
            config,
            data,
            name,
            {"community": community_file, "auth_password": auth_file, "priv_password": priv_file},
            {"user": user, "auth_protocol": auth, "priv_protocol": priv},
        )
    )


@credential_app.command("login")
def credential_login(
    name: str,
    password_file: Annotated[Path, typer.Option(help="File with the password, the shared secret or the token.")],
    user: Annotated[str, typer.Option(help="User name, where there is one.")] = "",
    config: Config = None,
    data: Data = None,
) -> None:
    """Put a login into the vault: of gNMI, NETCONF, MQTT, remote write, or the shared secret of a RADIUS client."""
    from station.commands.users import login

    raise typer.Exit(login(config, data, name, user, password_file))


@mib_app.command("translate")
def mib_translate(name: Annotated[str, typer.Argument(help="An OID or a name.")], data: Data = None) -> None:
    """Translate between OIDs and names of the shipped and compiled MIB modules."""
    from station.commands.mibs import translate

    raise typer.Exit(translate(name, data))


@mib_app.command("compile")
def mib_compile(
    source: Annotated[Path, typer.Argument(help="A folder with MIB modules as text, whatever the files are called.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Compile vendor MIB modules for traps and translate: offline, and only what changed."""
    from station.commands.mibs import compile_modules

    raise typer.Exit(compile_modules(source, data, as_json=as_json))


@bill_app.command("run")
def bill_run(
    period: Annotated[str, typer.Argument(help="The calendar month, e.g. 2026-10.")],
    config: Config = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Rate a closed month and issue its invoices; running it again changes nothing."""
    from station.commands.money import bill

    raise typer.Exit(bill(config, data, period, as_json))


@usage_app.command("import")
def usage_import(
    file: Path,
    source: Annotated[str, typer.Option(help="The system the file comes from; its ids are ids of this source.")],
    form: Annotated[str, typer.Option("--format", help="jsonl or csv.")] = "jsonl",
    config: Config = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Take in a file of other systems' usage; taking it in again changes nothing."""
    from station.commands.money import import_usage

    raise typer.Exit(import_usage(config, data, file, source, form, as_json))


@usage_app.command("verify")
def usage_verify(config: Config = None, data: Data = None) -> None:
    """Prove that no usage record, guiding, rating or billing was changed since it was written."""
    from station.commands.money import verify_usage

    raise typer.Exit(verify_usage(config, data))


@fault_app.command("replay")
def fault_replay(
    file: Annotated[Path, typer.Argument(help="Lines of the correlation protocol, or events as JSON lines; - for standard input.")],
    topology: Annotated[Path | None, typer.Option(help="The topology file of bare alarms.")] = None,
    config: Config = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Send a recorded stream through the production code on a virtual clock: incidents, roots and how soon."""
    from station.commands.faults import replay

    raise typer.Exit(replay(config, data, file, topology, as_json))


@fault_app.command("learn")
def fault_learn(
    file: Annotated[
        Path | None, typer.Argument(help="CSV with alarm_id, device_id, start_timestamp; without it the station's history.")
    ] = None,
    topology: Annotated[Path | None, typer.Option(help="Adjacency matrix of the devices, .npy or CSV.")] = None,
    days: Annotated[int, typer.Option(help="Of the station's history.", min=1, max=366)] = 30,
    config: Config = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Propose which alarm class causes which, with the evidence. What the station's own history shows waits for a decision."""
    from station.commands.faults import learn

    raise typer.Exit(learn(config, data, file, topology, days, as_json))


@fault_app.command("causes")
def fault_causes(config: Config = None, data: Data = None, as_json: Json = False) -> None:
    """Learnt causes with their evidence, those that wait for a decision first."""
    from station.commands.faults import causes

    raise typer.Exit(causes(config, data, as_json))


@fault_app.command("decide")
def fault_decide(
    state: Annotated[str, typer.Argument(help="accepted, rejected or proposed.")],
    cause: Annotated[str, typer.Argument(help="Alarm type.")],
    effect: Annotated[str, typer.Argument(help="Alarm type.")],
    reason: Annotated[str, typer.Option(help="Kept beside the decision.")] = "",
    config: Config = None,
    data: Data = None,
) -> None:
    """Accept a learnt cause, which correlation reads from then on, or reject it."""
    from station.commands.faults import decide

    raise typer.Exit(decide(config, data, state, (cause, effect), reason))


@try_app.command("recording")
def try_recording(files: Annotated[list[Path], typer.Argument(help="snmpwalk -On or snmprec files.")], as_json: Json = False) -> None:
    """Discover and poll a device from a recording of its agent: profile, interfaces, every sensor with its value."""
    from station.commands.tries import recordings

    raise typer.Exit(recordings(files, as_json))


@try_app.command("syslog")
def try_syslog(file: Annotated[Path, typer.Argument(help="Lines as they came, or - for standard input.")], as_json: Json = False) -> None:
    """Read syslog lines: the event that a rule makes of each, and its fields."""
    from station.commands.tries import syslog

    raise typer.Exit(syslog(file, as_json))


@try_app.command("flow")
def try_flow(file: Annotated[Path, typer.Argument(help="A capture (pcap, pcapng) of flow export.")], as_json: Json = False) -> None:
    """Read a capture of NetFlow, IPFIX or sFlow: flows, octets and packets, what was lost and refused."""
    from station.commands.tries import flow

    raise typer.Exit(flow(file, as_json))


@try_app.command("tariff")
def try_tariff(
    file: Annotated[Path, typer.Argument(help="A tariff file.")],
    usage: Annotated[Path | None, typer.Argument(help="One month's usage as JSON, in the words of a tariff's examples.")] = None,
    as_json: Json = False,
) -> None:
    """Rate one month's usage by a tariff; without usage, check the tariff's own examples."""
    from station.commands.tries import tariff

    raise typer.Exit(tariff(file, usage, as_json))


@try_app.command("forecast")
def try_forecast(
    file: Annotated[Path, typer.Argument(help="CSV: a column of times, then a column a series.")],
    check: Annotated[bool, typer.Option("--check", help="Hold the last day back and say how well it was told.")] = False,
    as_json: Json = False,
) -> None:
    """Forecast the next 24 hours of each series, with 80 and 95 % intervals."""
    from station.commands.tries_perf import forecast

    raise typer.Exit(forecast(file, check, as_json))


@try_app.command("anomaly")
def try_anomaly(
    file: Annotated[Path, typer.Argument(help="CSV: a column of times, then a column a series.")], as_json: Json = False
) -> None:
    """Score how odd each value of each series is, as it came."""
    from station.commands.tries_perf import anomaly

    raise typer.Exit(anomaly(file, as_json))


@app.command()
def correlate(stdio: Annotated[bool, typer.Option("--stdio", help="Speak over standard input and output.")] = False) -> None:
    """Correlate alarms that come as JSON lines, with the station's own engine: {"topology": FILE}, then {"now": s, "alarms": [...]}."""
    from station.commands.tries import correlate as act

    if not stdio:
        raise typer.BadParameter("the protocol is spoken over --stdio")
    raise typer.Exit(act())


@collector_app.command("add")
def collector_add(
    name: str,
    vrf: Annotated[str, typer.Option(help="Its address space, where that is not the station's own.")] = "",
    site: Annotated[str, typer.Option(help="Where devices stand that it finds and nothing else places.")] = "",
    sites: Annotated[
        list[str] | None, typer.Option("--polls-site", help="Only devices of these sites; without it all of its space.")
    ] = None,
    ranges: Annotated[list[str] | None, typer.Option("--range", help="Where it discovers devices.")] = None,
    credentials: Annotated[list[str] | None, typer.Option("--credential", help="Names in the vault that it tries there.")] = None,
    config: Config = None,
    data: Data = None,
) -> None:
    """Name a new collector; prints the invitation that it enrols with, once, within a day."""
    from station.commands.collector import add

    values = {"name": name, "vrf": vrf, "site": site, "sites": sites, "ranges": ranges, "credentials": credentials}
    raise typer.Exit(add(config, data, {key: value for key, value in values.items() if value}))


@collector_app.command("enrol")
def collector_enrol(
    invitation: Annotated[Path, typer.Argument(help="File with the invitation.")],
    data: Data = None,
) -> None:
    """Make this data folder the collector that the invitation is for."""
    from station.commands.collector import enrol

    raise typer.Exit(enrol(data, invitation))


@collector_app.command("run")
def collector_run(config: Config = None, data: Data = None) -> None:
    """Collect here until stopped; everything is kept until the station has it."""
    from station.commands.collector import run as start

    raise typer.Exit(start(config, data))


@collector_app.command("list")
def collector_list(config: Config = None, data: Data = None, as_json: Json = False) -> None:
    """The collectors, whether they have enrolled or were revoked."""
    from station.commands.collector import listed

    raise typer.Exit(listed(config, data, as_json))


@collector_app.command("revoke")
def collector_revoke(name: str, config: Config = None, data: Data = None) -> None:
    """Cut a collector off: the station and its bus take nothing from it any more."""
    from station.commands.collector import revoke

    raise typer.Exit(revoke(config, data, name))


@db_app.command("upgrade")
def db_upgrade(config: Config = None, data: Data = None) -> None:
    """Bring the state store to this version; forward only, after a copy."""
    from station.commands.store import upgrade

    raise typer.Exit(upgrade(config, data))


@grafana_app.command("export")
def grafana_export(folder: Path) -> None:
    """Write the Grafana dashboards and their provisioning files into a folder."""
    from station.commands.store import export_grafana

    raise typer.Exit(export_grafana(folder))


def main() -> None:
    """Entry point; NO_COLOR is honoured and a broken pipe ends quietly."""
    try:
        app()
    except BrokenPipeError:
        os._exit(1)


if __name__ == "__main__":
    main()
