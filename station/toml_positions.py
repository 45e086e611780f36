"""Which line of a TOML text each key stands on; the parser of the standard library does not tell."""

from collections.abc import Iterator

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

Key = tuple[str | int, ...]


def positions(text: str) -> dict[Key, int]:
    """Line (from 1) by full key path; an element of an array of tables, or of an array, has its index in the path."""
    tree = Parser(Language(tree_sitter_toml.language())).parse(text.encode())
    found: dict[Key, int] = {}
    seen: dict[Key, int] = {}
    for node in tree.root_node.named_children:
        if node.type == "pair":
            found.update(_pair(node, ()))
        elif node.type in ("table", "table_array_element"):
            found.update(_table(node, seen))
    return found


def _table(node: Node, seen: dict[Key, int]) -> Iterator[tuple[Key, int]]:
    head = node.named_children[0]
    at = _resolved(_key(head), seen)
    if node.type == "table_array_element":
        index = seen[at] = seen.get(at, -1) + 1
        yield at, head.start_point[0] + 1
        at = (*at, index)
    yield at, head.start_point[0] + 1
    for child in node.named_children[1:]:
        if child.type == "pair":
            yield from _pair(child, at)


def _resolved(key: Key, seen: dict[Key, int]) -> Key:
    """The key with the current index put in after each array of tables on its way, the last one excepted."""
    at: Key = ()
    for n, part in enumerate(key):
        at = (*at, part)
        if at in seen and n < len(key) - 1:
            at = (*at, seen[at])
    return at


def _pair(node: Node, at: Key) -> Iterator[tuple[Key, int]]:
    key, value = node.named_children[0], node.named_children[-1]
    line = key.start_point[0] + 1
    for part in _key(key):
        at = (*at, part)
        yield at, line
    yield from _value(value, at)


def _value(node: Node, at: Key) -> Iterator[tuple[Key, int]]:
    if node.type == "inline_table":
        for child in node.named_children:
            if child.type == "pair":
                yield from _pair(child, at)
    elif node.type == "array":
        for index, child in enumerate(c for c in node.named_children if c.type != "comment"):
            yield (*at, index), child.start_point[0] + 1
            yield from _value(child, (*at, index))


def _key(node: Node) -> Key:
    if node.type == "dotted_key":
        return tuple(part for child in node.named_children for part in _key(child))
    text = (node.text or b"").decode()
    return (text[1:-1] if text[:1] in "\"'" else text,)
