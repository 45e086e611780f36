"""`trunkline mib translate`."""

from station.commands.context import FAILED, OK, complain, say


def translate(name: str) -> int:
    from collectors.codecs.ber import DecodeError, parse_oid
    from collectors.mibs import shipped_mibs

    mibs = shipped_mibs()
    try:
        if name.lstrip(".")[:1].isdigit():
            say(mibs.translate(parse_oid(name.lstrip("."))))
        else:
            say(".".join(map(str, mibs.resolve(name))))
    except (KeyError, ValueError, DecodeError):
        complain(f"{name}: no shipped MIB module knows it")
        return FAILED
    return OK
