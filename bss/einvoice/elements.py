"""Elements of an XML document, named by the prefixes that its root declares."""

from collections.abc import Mapping, Sequence
from typing import Any

from lxml import etree

Element = Any  # lxml has no types of its own


def add(parent: Element, name: str, text: str | None = None, attributes: Mapping[str, str] | Sequence[tuple[str, str]] = ()) -> Element:
    """A new last child `prefix:local` of `parent`."""
    prefix, _, local = name.partition(":")
    element = etree.SubElement(parent, f"{{{parent.nsmap[prefix]}}}{local}", dict(attributes))
    element.text = text
    return element


def optional(parent: Element, name: str, text: str) -> None:
    """The same, where there is something to say."""
    if text:
        add(parent, name, text)
