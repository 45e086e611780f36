"""MIB modules: what is shipped, how names translate, and vendor modules compiled offline, tolerantly and once."""

import json
from pathlib import Path

import pytest

from collectors.codecs.ber import parse_oid
from collectors.mib_compile import CACHE, compile_folder, facts_text
from collectors.mibs import load, module_facts, shipped_mibs, site_mibs
from station.commands.mibs import compile_modules, translate
from station.data import data_dir

ACME = """
ACME-MIB DEFINITIONS ::= BEGIN
IMPORTS
    MODULE-IDENTITY, OBJECT-TYPE, NOTIFICATION-TYPE, Integer32, enterprises FROM SNMPv2-SMI
    TEXTUAL-CONVENTION, DisplayString FROM SNMPv2-TC
    ifIndex FROM IF-MIB;

acme MODULE-IDENTITY
    LAST-UPDATED "202001010000Z"
    ORGANIZATION "Acme"
    CONTACT-INFO "nobody"
    DESCRIPTION "A secret of Acme."
    ::= { enterprises 55555 }

AcmeState ::= TEXTUAL-CONVENTION
    STATUS current
    DESCRIPTION "A secret of Acme."
    SYNTAX INTEGER { fine(1), broken(2) }

acmePortTable OBJECT-TYPE
    SYNTAX SEQUENCE OF AcmePortEntry
    MAX-ACCESS not-accessible
    STATUS current
    DESCRIPTION "A secret of Acme."
    ::= { acme 1 }

acmePortEntry OBJECT-TYPE
    SYNTAX AcmePortEntry
    MAX-ACCESS not-accessible
    STATUS current
    DESCRIPTION "A secret of Acme."
    INDEX { ifIndex }
    ::= { acmePortTable 1 }

AcmePortEntry ::= SEQUENCE { acmePortState AcmeState, acmePortHeat Integer32 }

acmePortState OBJECT-TYPE
    SYNTAX AcmeState
    MAX-ACCESS read-only
    STATUS current
    DESCRIPTION "A secret of Acme."
    ::= { acmePortEntry 1 }

acmePortHeat OBJECT-TYPE
    SYNTAX Integer32
    UNITS "celsius"
    MAX-ACCESS read-only
    STATUS current
    DESCRIPTION "A secret of Acme."
    ::= { acmePortEntry 2 }

acmePortBroke NOTIFICATION-TYPE
    OBJECTS { acmePortState }
    STATUS current
    DESCRIPTION "A secret of Acme."
    ::= { acme 0 1 }
END
"""
OLD = """
OLD-MIB DEFINITIONS ::= BEGIN
IMPORTS enterprises FROM RFC1155-SMI  OBJECT-TYPE FROM RFC-1212  TRAP-TYPE FROM RFC-1215  DisplayString FROM RFC1213-MIB;
old OBJECT IDENTIFIER ::= { enterprises 55556 }
oldName OBJECT-TYPE
    SYNTAX DisplayString (SIZE (0..255))
    ACCESS read-only
    STATUS mandatory
    DESCRIPTION "text"
    ::= { old 1 }
oldTrap TRAP-TYPE
    ENTERPRISE old
    VARIABLES { oldName }
    DESCRIPTION "text"
    ::= 7
END
"""
BROKEN = "BROKEN-MIB DEFINITIONS ::= BEGIN\nthis is ::= { no module\nEND\n"
NEEDY = "NEEDY-MIB DEFINITIONS ::= BEGIN\nIMPORTS gone FROM GONE-MIB;\nneedy OBJECT IDENTIFIER ::= { gone 1 }\nEND\n"


def _folder(path: Path, **texts: str) -> Path:
    path.mkdir()
    for name, text in texts.items():
        (path / name).write_text(text)
    return path


@pytest.mark.slow
def test_vendor_modules_compile_without_the_standards_texts_and_a_bad_one_costs_only_itself(tmp_path: Path) -> None:
    source = _folder(tmp_path / "in", one=ACME + OLD, two=BROKEN, three=NEEDY, readme="no module")
    compiled = compile_folder(source, tmp_path / "out", module_facts(data_dir("mibs")))
    assert (sorted(compiled.made), sorted(compiled.refused)) == (["ACME-MIB", "OLD-MIB"], ["BROKEN-MIB", "NEEDY-MIB"])
    assert compiled.refused["NEEDY-MIB"] == "needs GONE-MIB"
    acme = json.loads((tmp_path / "out" / "ACME-MIB.json").read_text())
    assert acme["objects"]["acmePortHeat"] == {"oid": "1.3.6.1.4.1.55555.1.1.2", "type": "Integer32", "kind": "column", "units": "celsius"}
    assert acme["objects"]["acmePortEntry"] == {"oid": "1.3.6.1.4.1.55555.1.1", "kind": "row", "index": ["ifIndex"]}
    assert acme["types"] == {"AcmeState": {"type": "INTEGER", "enum": {"1": "fine", "2": "broken"}}}
    assert acme["notifications"] == {"acmePortBroke": {"oid": "1.3.6.1.4.1.55555.0.1", "objects": ["acmePortState"]}}
    assert "secret" not in (tmp_path / "out" / "ACME-MIB.json").read_text()


@pytest.mark.slow
def test_what_was_compiled_on_site_names_variables_traps_and_states(tmp_path: Path) -> None:
    compile_folder(_folder(tmp_path / "in", one=ACME + OLD), tmp_path / "out", module_facts(data_dir("mibs")))
    mibs = site_mibs(tmp_path / "out")
    assert mibs.field(parse_oid("1.3.6.1.4.1.55555.1.1.1.7"), 2) == ("acmePortState", "broken")
    assert mibs.notification(parse_oid("1.3.6.1.4.1.55555.0.1")) == "acmePortBroke"
    assert mibs.notification(parse_oid("1.3.6.1.4.1.55556.0.7")) == "oldTrap"
    assert mibs.resolve("ACME-MIB::acmePortHeat.7") == parse_oid("1.3.6.1.4.1.55555.1.1.2.7")


@pytest.mark.slow
def test_only_what_changed_is_compiled_again(tmp_path: Path) -> None:
    source, known = _folder(tmp_path / "in", one=ACME, two=OLD), module_facts(data_dir("mibs"))
    compile_folder(source, tmp_path / "out", known)
    assert compile_folder(source, tmp_path / "out", known).kept == ["ACME-MIB", "OLD-MIB"]
    (source / "two").write_text(OLD.replace("55556", "55557"))
    again = compile_folder(source, tmp_path / "out", known)
    assert (again.made, again.kept) == (["OLD-MIB"], ["ACME-MIB"])
    (tmp_path / "out" / CACHE).write_text("not JSON")
    assert sorted(compile_folder(source, tmp_path / "out", known).made) == ["ACME-MIB", "OLD-MIB"]


HEAD = """{name} DEFINITIONS ::= BEGIN
IMPORTS MODULE-IDENTITY, OBJECT-TYPE, enterprises, Integer32 FROM SNMPv2-SMI{more};
{root} MODULE-IDENTITY LAST-UPDATED "{year}01010000Z" ORGANIZATION "x" CONTACT-INFO "y" DESCRIPTION "z" ::= {{ enterprises {number} }}
{body}
END
"""


def _odd(name: str, number: int, body: str = "", more: str = "", year: int = 2020) -> str:
    root = name.lower().replace("-", "").replace("_", "")
    first = f"{root}One " + _OBJECT.format(syntax="Integer32", under=f"{root} 1")
    return HEAD.format(name=name, root=root, number=number, body=first + body, more=more, year=year)


_OBJECT = 'OBJECT-TYPE SYNTAX {syntax} MAX-ACCESS read-only STATUS current DESCRIPTION "a; b" ::= {{ {under} }}\n'
ODD = {
    "mark": "\ufeff" + _odd("MARK-MIB", 70001) + "\x1a",
    "endless": _odd("ENDLESS-MIB", 70002).replace("\nEND", ""),
    "open": _odd("OPEN-MIB", 70003).replace("SNMPv2-SMI;", "SNMPv2-SMI"),
    "twice": _odd("TWICE-MIB", 70004, body="twicemibOne " + _OBJECT.format(syntax="Integer32", under="twicemib 2")),
    "under": _odd("UNDER_MIB", 70005, body="under_two " + _OBJECT.format(syntax="INTEGER { is_up(1), Down(2), }", under="undermib 2")),
    "remark": _odd("REMARK-MIB", 70006).replace("DEFINITIONS", "-- of 2020 -- DEFINITIONS"),
    "elsewhere": _odd(
        "ELSEWHERE-MIB",
        70007,
        body="elsewheremibTwo " + _OBJECT.format(syntax="Integer32", under="markmib 9"),
        more=" markmib FROM GONE-SMI",
    ),
    "a-old": _odd("SAME-MIB", 70008),
    "b-new": _odd("SAME-MIB", 70008, body="samemibTwo " + _OBJECT.format(syntax="Integer32", under="samemib 2"), year=2022),
    "c-old": _odd("SAME-MIB", 70008, year=2021),
}


@pytest.mark.slow
def test_what_vendors_get_wrong_in_shape_is_put_right_and_the_newest_of_several_counts(tmp_path: Path) -> None:
    compiled = compile_folder(_folder(tmp_path / "in", **ODD), tmp_path / "out", module_facts(data_dir("mibs")))
    assert compiled.refused == {}
    assert compiled.mended == ["ELSEWHERE-MIB", "ENDLESS-MIB", "OPEN-MIB", "TWICE-MIB", "UNDER-MIB"]
    mibs = site_mibs(tmp_path / "out")
    names = {number: mibs.translate(parse_oid(f"1.3.6.1.4.1.{number}.2.0")) for number in (70004, 70005, 70008)}
    assert names == {70004: "twicemib.2.0", 70005: "under-two.0", 70008: "samemibTwo.0"}
    assert mibs.translate(parse_oid("1.3.6.1.4.1.70001.9.0")) == "elsewheremibTwo.0"
    assert mibs.resolve("under_two.0") == mibs.resolve("UNDER-MIB::under-two.0") == parse_oid("1.3.6.1.4.1.70005.2.0")


@pytest.mark.parametrize(
    ("oid", "name"),
    [
        ("1.3.6.1.2.1.31.1.1.1.6.1", "ifHCInOctets.1"),
        ("1.3.6.1.2.1.15.3.1.2.192.0.2.1", "bgpPeerState.192.0.2.1"),
        ("1.3.6.1.2.1.10.166.4.0.4", "mplsLdpSessionDown"),
        ("1.0.8802.1.1.2.1.4.1.1.9.0.1.2", "lldpRemSysName.0.1.2"),
        ("1.3.6.1.2.1.33.1.2.4.0", "upsEstimatedChargeRemaining.0"),
        ("1.2.840.10006.300.43.1.2.1.1.13.7", "dot3adAggPortAttachedAggID.7"),
        ("1.3.6.1.4.1.424242.1", "enterprises.424242.1"),
    ],
)
def test_shipped_modules_name_what_routers_tell(oid: str, name: str) -> None:
    assert shipped_mibs().translate(parse_oid(oid)) == name


def test_a_label_comes_from_the_textual_convention_too() -> None:
    assert shipped_mibs().field(parse_oid("1.3.6.1.2.1.2.2.1.3.1"), 161) == ("ifType", "ieee8023adLag")


def test_an_unknown_enterprise_is_no_field_of_that_name() -> None:
    assert shipped_mibs().field(parse_oid("1.3.6.1.4.1.424242.1.0"), 1) == ("1.3.6.1.4.1.424242.1.0", "1")


def test_shipped_modules_carry_no_descriptions_and_no_number_twice() -> None:
    for path in sorted(data_dir("mibs").glob("*.json")):
        module = json.loads(path.read_text())
        assert module["module"] == path.stem
        for section in ("objects", "notifications"):
            for facts in module[section].values():
                assert not facts.keys() - {"oid", "type", "enum", "kind", "units", "index", "augments", "objects"}, path
    assert len(load(data_dir("mibs"))) > 10_000


def test_facts_are_written_as_they_are_read() -> None:
    facts = {"module": "X", "types": {}, "objects": {"a": {"oid": "1.2"}}, "notifications": {}}
    assert json.loads(facts_text(facts)) == facts


@pytest.mark.slow
@pytest.mark.parametrize(("texts", "code"), [({"one": ACME}, 0), ({"one": ACME, "two": BROKEN}, 3), ({"two": BROKEN}, 1)])
def test_the_command_says_by_its_exit_code_whether_all_some_or_none_compiled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], texts: dict[str, str], code: int
) -> None:
    assert compile_modules(_folder(tmp_path / "in", **texts), tmp_path / "data", as_json=True) == code
    told = json.loads(capsys.readouterr().out)
    assert (told["made"], list(told["refused"])) == (["ACME-MIB"] if "one" in texts else [], ["BROKEN-MIB"] if "two" in texts else [])


@pytest.mark.slow
def test_the_command_translates_what_was_compiled_on_site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compile_modules(_folder(tmp_path / "in", one=ACME), tmp_path / "data", as_json=False)
    assert translate("1.3.6.1.4.1.55555.1.1.2.7", tmp_path / "data") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "acmePortHeat.7"
