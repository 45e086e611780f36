"""A collector's keys: nkeys as servers know them, and secrets that only it can open."""

import pytest

from station.bus.keys import Keys, SealError, is_user_nkey, nkey, seal


def test_an_nkey_begins_with_u_and_a_wrong_letter_is_seen() -> None:
    text = nkey(bytes(range(32)))
    assert text.startswith("U") and len(text) == 56 and is_user_nkey(text)
    assert not is_user_nkey(text[:-3] + ("A" if text[-3] != "A" else "B") + text[-2:])
    assert not is_user_nkey("nothing")


def test_only_the_owner_opens_what_was_sealed() -> None:
    mine, other = Keys.fresh(), Keys.fresh()
    sealed = seal(b"community", mine.box)
    assert mine.open(sealed) == b"community" and b"community" not in sealed
    for spoilt in (sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[:40], b""):
        with pytest.raises(SealError):
            mine.open(spoilt)
    with pytest.raises(SealError):
        other.open(sealed)


def test_keys_do_not_show_themselves() -> None:
    assert repr(Keys.fresh()) == "Keys()"
