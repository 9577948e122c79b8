"""The immutable tree that every answer is parsed to, and its size limits.

A tree is plain data: no evaluation, no sympy. Kinds are string constants, so that a tree
travels to a worker process as JSON (`to_json`, `from_json`) and nothing is unpickled.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final, NamedTuple

Rational = int | Fraction

# Leaves.
NUMBER: Final = "number"
DECIMAL: Final = "decimal"  # name keeps the literal, for its significant digits
SYMBOL: Final = "symbol"
CONSTANT: Final = "constant"  # pi, e, i, infinity
NUMBER_SET: Final = "number_set"  # the reals, the integers, ...
EMPTY_SET: Final = "empty_set"
TEXT: Final = "text"
ELLIPSIS: Final = "ellipsis"
# Arithmetic.
ADD: Final = "add"
MULTIPLY: Final = "multiply"
DIVIDE: Final = "divide"
POWER: Final = "power"
NEGATE: Final = "negate"
ROOT: Final = "root"  # args: radicand, degree
ABSOLUTE: Final = "absolute"
FACTORIAL: Final = "factorial"
FUNCTION: Final = "function"  # name; args
LOGARITHM: Final = "logarithm"  # args: argument, base
PERCENT: Final = "percent"
DEGREE: Final = "degree"
BASE_N: Final = "base_n"  # number: the value; name: "digits_base"
PLUS_MINUS: Final = "plus_minus"  # one or two args; name: "+-" or "-+"
MIXED: Final = "mixed"  # args: whole, fraction
# Structures.
LIST: Final = "list"
SET: Final = "set"
TUPLE: Final = "tuple"
INTERVAL: Final = "interval"  # name: "[]", "[)", "(]", "()"
UNION: Final = "union"
INTERSECTION: Final = "intersection"
SET_DIFFERENCE: Final = "set_difference"
SET_BUILDER: Final = "set_builder"  # args: element, condition
RELATION: Final = "relation"  # name: operators joined by a space
MATRIX: Final = "matrix"  # args: one LIST per row
PIECEWISE: Final = "piecewise"  # args: value, condition, value, condition, ...
RATIO: Final = "ratio"
QUANTITY: Final = "quantity"  # args: value; name: the unit as written
MODULO: Final = "modulo"  # args: relation or value, modulus
CLOCK: Final = "clock"  # number: minutes after midnight; name: "", "am" or "pm"
# Calculus.
INTEGRAL: Final = "integral"  # args: body, variable[, lower, upper]
SUM: Final = "sum"  # args: body, variable, lower, upper
PRODUCT: Final = "product"
LIMIT: Final = "limit"  # args: body, variable, target; name: direction
DERIVATIVE: Final = "derivative"  # args: body, variable

MAXIMUM_NODES: Final = 3000
MAXIMUM_DEPTH: Final = 60
MAXIMUM_DIGITS: Final = 1000
MAXIMUM_MATRIX_CELLS: Final = 400


class Node(NamedTuple):
    """One node: its kind, its children, and for leaves a name or an exact number."""

    kind: str
    args: tuple[Node, ...] = ()
    name: str = ""
    number: Rational | None = None


class NotMathematics(ValueError):
    """The text is no mathematics that this grammar knows."""


class LimitExceeded(ValueError):
    """The text or its value is larger than the verifier is willing to handle."""


def integer(value: Rational) -> Node:
    """A leaf that holds an exact number."""
    return Node(NUMBER, (), "", value)


def symbol(name: str) -> Node:
    """A leaf that holds a variable."""
    return Node(SYMBOL, (), name)


ZERO: Final = integer(0)
ONE: Final = integer(1)
PI: Final = Node(CONSTANT, (), "pi")
EULER: Final = Node(CONSTANT, (), "e")
IMAGINARY: Final = Node(CONSTANT, (), "i")
INFINITY: Final = Node(CONSTANT, (), "infinity")


def negate(node: Node) -> Node:
    """The negative of a node, folded for numbers."""
    if node.kind == NUMBER and node.number is not None:
        return integer(-node.number)
    if node.kind == NEGATE:
        return node.args[0]
    return Node(NEGATE, (node,))


def subtract(left: Node, right: Node) -> Node:
    """left - right."""
    return Node(ADD, (left, negate(right)))


def walk(node: Node) -> Iterator[Node]:
    """Every node of the tree, parents first, without recursion."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(current.args)


def symbols(node: Node) -> frozenset[str]:
    """Names of the free and bound variables in the tree."""
    return frozenset(part.name for part in walk(node) if part.kind == SYMBOL)


def substitute(node: Node, name: str, value: Node) -> Node:
    """The tree with every variable called `name` replaced by `value`."""
    if node.kind == SYMBOL:
        return value if node.name == name else node
    if not node.args:
        return node
    return node._replace(args=tuple(substitute(child, name, value) for child in node.args))


def to_json(node: Node) -> list[Any]:
    """Plain lists and strings that `from_json` turns back into the same tree."""
    number = None if node.number is None else str(node.number)
    return [node.kind, [to_json(child) for child in node.args], node.name, number]


def from_json(data: list[Any]) -> Node:
    """The tree that `to_json` wrote. Raises ValueError or TypeError on anything else."""
    kind, args, name, number = data
    value: Rational | None = None
    if number is not None:
        value = Fraction(number)
        if value.denominator == 1:
            value = int(value)
    return Node(str(kind), tuple(from_json(child) for child in args), str(name), value)
