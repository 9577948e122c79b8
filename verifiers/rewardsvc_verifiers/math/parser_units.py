"""The grammar of units after a value: `15 cm`, `9.8 m/s^2`, `5 feet 3 inches`, `$5 million`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.token_table import COMMAND, END, LETTER, NUM, OPERATOR, TEXTUAL, WORD
from rewardsvc_verifiers.math.tokens import Token
from rewardsvc_verifiers.math.tree import Node, NotMathematics
from rewardsvc_verifiers.math.units import LETTER_UNITS, SCALES, is_known_word, parse_unit
from rewardsvc_verifiers.math.word_lists import words

if TYPE_CHECKING:
    from rewardsvc_verifiers.math.parser_base import ParserBase

CURRENCIES: Final = {
    "dollar": "dollar", "euro": "euro", "pound": "sterling", "yen": "yen", "cent": "cent",
}  # fmt: skip
#: Words that start a clause, never a unit.
_CLAUSES: Final = frozenset(
    words(
        """
    if for when where whenever otherwise is are not to from with has have and or but only
    unless then else given such that as be equals which all any some every no none than
    otherwise, implies iff base maybe perhaps possibly wrong incorrect
        approximately about roughly dne undefined none unknown answer
    """
    )
)
_NUMERIC: Final = frozenset({tree.NUMBER, tree.DECIMAL, tree.MIXED, tree.DIVIDE, tree.QUANTITY})


def starts_unit(parser: ParserBase, left: Node, token: Token) -> bool:
    """Whether the token after a value begins a unit."""
    kind = token.kind
    if kind == TEXTUAL:
        head = token.text.split()[0].lower() if token.text.split() else ""
        return head.isascii() and head[:1].isalpha() and head not in _CLAUSES
    if kind == WORD:
        if token.text.lower() in _CLAUSES:
            return False
        if is_known_word(token.text) or (len(token.text) > 4 and token.spaced):
            return True
        # "0.75 cups", "15 men"; but "3 abc" may be a product.
        variables = set(token.text) <= set("abcdkmnpqrtuvwxyz")
        return token.spaced and len(token.text) > 2 and left.kind in _NUMERIC and not variables
    if kind == LETTER and token.spaced and token.text in LETTER_UNITS:
        return left.kind in _NUMERIC and _only_unit_follows(parser)
    return kind == COMMAND and token.text in CURRENCIES


def _only_unit_follows(parser: ParserBase) -> bool:
    """Whether single letters run as a unit to the end of this answer or list item."""
    index = parser.position
    tokens = parser.tokens
    while index < len(tokens):
        token = tokens[index]
        if (
            (token.kind == LETTER and token.text in LETTER_UNITS)
            or (token.kind == WORD and is_known_word(token.text))
            or (token.kind == OPERATOR and token.text in ("/", "^", "{", "}", "*", "-"))
            or (token.kind == NUM and tokens[index - 1].text in ("^", "{", "-"))
        ):
            index += 1
        else:
            return token.kind == END or (
                token.kind == OPERATOR and token.text in (",", ";", ")", "]")
            )
    return True


def read_unit(parser: ParserBase, left: Node) -> Node:
    """The quantity made of `left` and the unit tokens that follow it."""
    words: list[str] = []
    while True:
        token = parser.peek()
        if token.kind in (TEXTUAL, WORD):
            pieces = _split(token.text)
            if any(piece.lower() in _CLAUSES for piece in pieces):
                break
            words.extend(pieces)
        elif token.kind == LETTER and (token.text in LETTER_UNITS or words):
            words.append(token.text)
        elif token.kind == COMMAND and token.text in CURRENCIES:
            words.append(CURRENCIES[token.text])
        elif token.kind == OPERATOR and token.text in ("/", "*") and _unit_at(parser, 1):
            words.append(token.text)
        elif token.kind == OPERATOR and token.text == "^" and words:
            words.extend(("^", _exponent(parser)))
            continue
        elif token.kind == OPERATOR and token.text == "." and words:
            pass
        else:
            break
        parser.position += 1
    return quantity(parser, left, " ".join(words))


def _unit_at(parser: ParserBase, ahead: int) -> bool:
    token = parser.peek(ahead)
    return token.kind in (TEXTUAL, WORD) or (token.kind == LETTER and token.text in LETTER_UNITS)


def _exponent(parser: ParserBase) -> str:
    parser.expect("^")
    braces = parser.accept("{")
    sign = "-" if parser.accept("-") else ""
    token = parser.take()
    if token.kind != NUM or not token.text.isdigit() or len(token.text) > 2:
        raise NotMathematics("a unit's exponent")
    if braces:
        parser.expect("}")
    return sign + token.text


def _split(text: str) -> list[str]:
    for sign in ("/", "^", "·", "*"):
        text = text.replace(sign, f" {'*' if sign == '·' else sign} ")
    return text.split()


def quantity(parser: ParserBase, left: Node, name: str) -> Node:
    """`left` with that unit; degrees, percent and radians are signs rather than units."""
    lowered = name.lower().strip(" .")
    if lowered in ("degree", "degrees", "deg"):
        return parser.make(tree.DEGREE, (left,))
    if lowered in ("percent", "per cent", "percents", "percentage"):
        return parser.make(tree.PERCENT, (left,))
    if lowered in ("", "units", "unit"):
        return left
    words = lowered.split()
    scale = 1
    while words and words[0] in SCALES:
        scale *= SCALES[words.pop(0)]
        name = name.split(" ", 1)[1] if " " in name else ""
    if scale != 1:
        scaled = tree.integer(scale)
        if left.kind == tree.QUANTITY:
            value = parser.make(tree.MULTIPLY, (left.args[0], scaled))
            left = left._replace(args=(value,))
        else:
            left = parser.make(tree.MULTIPLY, (left, scaled))
        if not words:
            return left
    if left.kind == tree.DEGREE:
        if lowered in ("c", "celsius"):
            return parser.make(tree.QUANTITY, left.args, "celsius")
        if lowered in ("f", "fahrenheit"):
            return parser.make(tree.QUANTITY, left.args, "fahrenheit")
        raise NotMathematics("a unit after degrees")
    if left.kind == tree.QUANTITY:
        return left._replace(name=f"{left.name} {name}")
    if left.kind == tree.MULTIPLY and left.args[0].kind == tree.QUANTITY:
        raise NotMathematics("a unit inside a product")
    return parser.make(tree.QUANTITY, (left,), name)


def compound(parser: ParserBase, left: Node) -> Node:
    """`5 feet 3 inches`: the second quantity is added to the first."""
    value = parser.prefix()
    token = parser.peek()
    if not starts_unit(parser, value, token):
        raise NotMathematics("a number after a quantity")
    return added(parser, left, read_unit(parser, value))


def added(parser: ParserBase, left: Node, right: Node) -> Node:
    """The sum of two quantities of one dimension in different units."""
    first = parse_unit(left.args[0].name if left.kind == tree.ADD else left.name)
    second = parse_unit(right.name) if right.kind == tree.QUANTITY else None
    if second is None or first.dimension != second.dimension or not second.known:
        raise NotMathematics("quantities that do not add up")
    return parser.make(tree.ADD, (left, right))
