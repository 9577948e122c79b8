"""Parts with names: `x = 5`, `x = 1, y = 2`, `(x, y) = (1, 2)`, `Alice = 5, Bob = 7`."""

from __future__ import annotations

from typing import NamedTuple

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.text import normal_words
from rewardsvc_verifiers.math.tree import Node


class Part(NamedTuple):
    """One named value."""

    label: str
    value: Node


_KNOWN_FUNCTIONS = frozenset({"gcd", "lcm", "max", "min", "floor", "ceil", "det", "norm", "binom"})
_LABEL_FUNCTIONS = frozenset({"f", "g", "h", "F", "G", "P", "Q"})


def label_of(node: Node) -> str | None:
    """The name that the tree is, or None when it is an expression."""
    if node.kind == tree.SYMBOL:
        return node.name
    if node.kind == tree.TEXT:
        return normal_words(node.name)
    if (
        node.kind == tree.FUNCTION
        and node.name.rstrip("'").split("_")[0].split("^")[0] in _LABEL_FUNCTIONS
    ):
        return node.name
    if node.kind == tree.MULTIPLY and all(
        child.kind == tree.SYMBOL and child.name.isupper() for child in node.args
    ):
        return "".join(child.name for child in node.args)
    if node.kind == tree.MULTIPLY and any(child.kind == tree.TEXT for child in node.args):
        names = [label_of(child) for child in node.args]
        return " ".join(name for name in names if name) if all(names) else None
    return None


def named(node: Node) -> Part | None:
    """`label = value` with the label on either side; None for any other relation."""
    if node.kind != tree.RELATION or node.name not in ("=", "~="):
        return None
    left, right = node.args
    label = label_of(left)
    if label is not None and not (left.kind == tree.SYMBOL and left.name in tree.symbols(right)):
        return Part(label, right)
    label = label_of(right)
    if label is not None and left.kind != tree.SYMBOL and not tree.symbols(left):
        return Part(label, left)
    return None


def parts_of(node: Node) -> list[Part] | None:
    """All parts of a labelled answer in written order; None when it is not one."""
    items = node.args if node.kind in (tree.LIST, tree.SET) else (node,)
    if node.kind == tree.TUPLE and all(child.kind == tree.RELATION for child in node.args):
        items = node.args
    parts: list[Part] = []
    for item in items:
        if item.kind == tree.RATIO and len(item.args) == 2:
            label = label_of(item.args[0])
            if label is not None and len(label) > 1:
                parts.append(Part(label, item.args[1]))
                continue
        if item.kind != tree.RELATION:
            if not parts or items[0].kind != tree.RELATION or item.kind == tree.LIST:
                return None
            if len({part.label for part in parts}) > 1:
                return None
            parts.append(Part(parts[0].label, item))  # x = 1, 2
            continue
        found = _parts_of_relation(item)
        if found is None:
            return None
        parts.extend(found)
    return parts


def _parts_of_relation(node: Node) -> list[Part] | None:
    single = named(node)
    if single is not None:
        if single.value.kind in (tree.LIST, tree.SET):
            return [Part(single.label, child) for child in single.value.args]
        return [single]
    operators = set(node.name.split())
    if operators != {"="} and operators != {"in"}:
        return None
    if operators == {"in"}:
        label = label_of(node.args[0])
        if label is None or node.args[1].kind != tree.SET:
            return None
        return [Part(label, child) for child in node.args[1].args]
    if len(node.args) > 2:
        labels = [label_of(child) for child in node.args[:-1]]
        last = node.args[-1]
        if all(labels) and not tree.symbols(last):  # x = y = 2
            return [Part(label or "", last) for label in labels]
        return None
    left, right = node.args
    if left.kind == tree.TUPLE and right.kind in (tree.TUPLE, tree.INTERVAL):
        names = [label_of(child) for child in left.args]
        if all(names) and len(names) == len(right.args):
            return [Part(name or "", value) for name, value in zip(names, right.args, strict=True)]
    return None


def as_points(parts: list[Part]) -> list[Node] | None:
    """x = 3, y = -2 or x = -3, y = 2 as points; None unless the labels repeat in order."""
    labels = [part.label for part in parts]
    width = len(set(labels))
    if width < 2 or len(parts) == width or len(parts) % width:
        return None
    if labels != labels[:width] * (len(parts) // width):
        return None
    return [
        Node(tree.TUPLE, tuple(part.value for part in parts[start : start + width]), "()")
        for start in range(0, len(parts), width)
    ]


def strip_conditions(node: Node) -> tuple[Node, frozenset[str], tuple[Node, ...]]:
    r"""Drop `k \in Z` and split off other conditions: value, whole-number names, conditions."""
    if node.kind == tree.RELATION and "in" in node.name.split()[1:]:
        return node, frozenset(), ()
    if node.kind != tree.LIST:
        return node, frozenset(), ()
    kept: list[Node] = []
    whole: set[str] = set()
    conditions: list[Node] = []
    for child in node.args:
        if _is_domain(child):
            whole |= tree.symbols(child.args[0])
        elif (
            kept
            and child.kind == tree.RELATION
            and child.name not in ("=", "in")
            and not (kept[0].kind == tree.RELATION and kept[0].name not in ("=",))
        ):
            conditions.append(child)
        elif node.name == "where" and kept and child.kind == tree.SYMBOL:
            whole.add(child.name)  # "for integer k"
        else:
            kept.append(child)
    if not kept or len(kept) == len(node.args):
        return node, frozenset(whole), ()
    if len(kept) == 1:
        return kept[0], frozenset(whole), tuple(conditions)
    return node._replace(args=tuple(kept)), frozenset(whole), tuple(conditions)


def _is_domain(node: Node) -> bool:
    return (
        node.kind == tree.RELATION
        and node.name == "in"
        and node.args[1].kind == tree.NUMBER_SET
        and node.args[0].kind in (tree.SYMBOL, tree.LIST)
    )


def is_known_function(name: str) -> bool:
    """Whether a function's name has a fixed meaning."""
    return name in _KNOWN_FUNCTIONS
