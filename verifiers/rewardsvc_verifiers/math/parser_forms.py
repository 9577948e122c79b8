r"""The grammar's larger forms: environments, floors, angle brackets, sums, integrals, limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.token_table import COMMAND, LETTER, OPERATOR, TEXTUAL, WORD
from rewardsvc_verifiers.math.tree import LimitExceeded, Node, NotMathematics

if TYPE_CHECKING:
    from rewardsvc_verifiers.math.parser_base import ParserBase

_MATRICES = frozenset(
    ["pmatrix", "bmatrix", "matrix", "Bmatrix", "smallmatrix", "array", "vmatrix", "Vmatrix"]
)
_SYSTEMS = frozenset(
    ["cases", "aligned", "align", "gathered", "split", "rcases", "dcases", "tabular"]
)


def parse_form(parser: ParserBase, name: str) -> Node | None:
    """The form that a command opens, or None when it opens none."""
    if name.startswith("begin:"):
        return _environment(parser, name[6:])
    if name in ("lfloor", "lceil"):
        closing = "rfloor" if name == "lfloor" else "rceil"
        node = parser.expression(0)
        parser.expect(closing, COMMAND)
        return parser.make(tree.FUNCTION, (node,), "floor" if name == "lfloor" else "ceil")
    if name in ("Vert", "lVert"):
        node = parser.expression(0)
        parser.take()
        return parser.make(tree.FUNCTION, (node,), "norm")
    if name == "langle":
        node = parser.expression(0)
        parser.expect("rangle", COMMAND)
        items = node.args if node.kind == tree.LIST else (node,)
        return parser.make(tree.TUPLE, items, "<>")
    if name in ("sum", "prod"):
        return _sum(parser, tree.SUM if name == "sum" else tree.PRODUCT)
    if name == "int":
        return _integral(parser)
    if name == "lim":
        return _limit(parser)
    if name in ("angle", "triangle", "measuredangle"):
        return _named_figure(parser, name)
    return None


def _named_figure(parser: ParserBase, name: str) -> Node:
    token = parser.take()
    if token.kind in (LETTER, WORD, TEXTUAL) and token.text.isalpha():
        return tree.symbol(f"{name}({token.text})")
    raise NotMathematics(f"{name} of no name")


def _environment(parser: ParserBase, name: str) -> Node:
    rows: list[list[Node]] = [[]]
    closing = f"end:{name}"
    if name not in _MATRICES and name not in _SYSTEMS:
        raise NotMathematics(f"the environment {name[:20]!r}")
    cells = 0
    while not parser.accept(closing, COMMAND):
        if parser.accept("\\\\"):
            rows.append([])
        elif parser.accept("&"):
            continue
        elif parser.at("hline", COMMAND):
            parser.position += 1
        elif parser.peek().kind == "end":
            raise NotMathematics("an environment is not closed")
        else:
            outer_text, parser.text_words = parser.text_words, name in _SYSTEMS
            rows[-1].append(parser.expression(0))
            parser.text_words = outer_text
            cells += 1
            if cells > tree.MAXIMUM_MATRIX_CELLS:
                raise LimitExceeded(f"more than {tree.MAXIMUM_MATRIX_CELLS} matrix cells")
    rows = [row for row in rows if row]
    if not rows:
        raise NotMathematics("an empty environment")
    if name in _SYSTEMS:
        return _system(parser, rows)
    if any(len(row) != len(rows[0]) for row in rows):
        raise NotMathematics("a matrix with rows of different length")
    matrix = parser.make(tree.MATRIX, tuple(parser.make(tree.LIST, tuple(row)) for row in rows))
    if name == "vmatrix":
        return parser.make(tree.FUNCTION, (matrix,), "det")
    return matrix


def _system(parser: ParserBase, rows: list[list[Node]]) -> Node:
    if all(len(row) == 2 and row[0].kind != tree.RELATION for row in rows):
        flat = [node for row in rows for node in row]
        return parser.make(tree.PIECEWISE, tuple(flat))
    items: list[Node] = []
    for row in rows:
        for node in row:
            items.extend(node.args if node.kind == tree.LIST else (node,))
    return items[0] if len(items) == 1 else parser.make(tree.LIST, tuple(items), "and")


def _bounds(parser: ParserBase) -> tuple[Node | None, Node | None]:
    lower: Node | None = None
    upper: Node | None = None
    for _ in range(2):
        if parser.accept("_"):
            lower = parser.argument()
        elif parser.accept("^"):
            upper = parser.argument()
    return lower, upper


def _sum(parser: ParserBase, kind: str) -> Node:
    lower, upper = _bounds(parser)
    if (
        lower is None
        or upper is None
        or lower.kind != tree.RELATION
        or lower.name != "="
        or lower.args[0].kind not in (tree.SYMBOL, tree.CONSTANT)
    ):
        raise NotMathematics("a sum without its bounds")
    index = lower.args[0]
    name = index.name
    body = parser.expression(14)
    bound = tree.symbol(f"{name}#")
    body = _bind(body, index, bound)
    return parser.make(kind, (body, bound, lower.args[1], upper))


def _bind(body: Node, variable: Node, bound: Node) -> Node:
    if body == variable:
        return bound
    if not body.args:
        return body
    return body._replace(args=tuple(_bind(child, variable, bound) for child in body.args))


def _integral(parser: ParserBase) -> Node:
    lower, upper = _bounds(parser)
    depth = 0
    position = parser.position
    tokens = parser.tokens
    end = -1
    while position < len(tokens) - 1:
        token = tokens[position]
        if token.kind == OPERATOR and token.text in ("(", "[", "{", "\\{"):
            depth += 1
        elif token.kind == OPERATOR and token.text in (")", "]", "}", "\\}"):
            depth -= 1
            if depth < 0:
                break
        elif (
            depth == 0 and token.kind == WORD and len(token.text) == 2 and token.text[0] == "d"
        ) or (
            depth == 0
            and token.kind in (LETTER, TEXTUAL)
            and token.text == "d"
            and position + 1 < len(tokens)
            and tokens[position + 1].kind == LETTER
        ):
            end = position
            break
        position += 1
    if end < 0:
        raise NotMathematics("an integral without its variable")
    width = 1 if tokens[end].kind == WORD else 2
    name = tokens[end].text[1] if width == 1 else tokens[end + 1].text
    if end == parser.position:
        body = tree.ONE
    else:
        from rewardsvc_verifiers.math.parser import Parser as _Parser

        inner = _Parser(tokens[parser.position : end])
        inner.depth = parser.depth
        body = inner.parse()
        parser.nodes += inner.nodes
    parser.position = end + width
    variable = tree.symbol(name)
    if lower is None or upper is None:
        return parser.make(tree.INTEGRAL, (body, variable))
    bound = tree.symbol(f"{name}#")
    body = _bind(body, variable, bound)
    return parser.make(tree.INTEGRAL, (body, bound, lower, upper))


def _limit(parser: ParserBase) -> Node:
    parser.expect("_")
    parser.expect("{")
    variable = parser.prefix()
    parser.expect("->")
    target = parser.expression(0)
    direction = ""
    if target.kind == tree.POWER or parser.at("+") or parser.at("-"):
        raise NotMathematics("a one-sided limit")
    parser.expect("}")
    body = parser.expression(14)
    if variable.kind != tree.SYMBOL:
        raise NotMathematics("a limit without its variable")
    bound = tree.symbol(f"{variable.name}#")
    return parser.make(tree.LIMIT, (_bind(body, variable, bound), bound, target), direction)


def is_differential(numerator: Node, denominator: Node) -> bool:
    """Whether the fraction is dy/dx, which is written y' too."""
    return all(
        side.kind == tree.MULTIPLY
        and len(side.args) == 2
        and side.args[0] == tree.symbol("d")
        and side.args[1].kind == tree.SYMBOL
        for side in (numerator, denominator)
    )


def derivative(parser: ParserBase, numerator: Node, denominator: Node) -> Node | None:
    r"""`\frac{d}{dx} f` as a derivative; None when the fraction is only a fraction."""
    if numerator != tree.symbol("d") or denominator.kind != tree.MULTIPLY:
        return None
    if denominator.args[0] != tree.symbol("d") or len(denominator.args) != 2:
        return None
    variable = denominator.args[1]
    if parser.peek().kind == "end" or variable.kind != tree.SYMBOL:
        return None
    return parser.make(tree.DERIVATIVE, (parser.expression(14), variable))
