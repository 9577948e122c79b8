r"""Parse the tokens of an answer to a tree: precedence climbing, bounded, without evaluation.

LaTeX and plain notation share one grammar. Every recursion counts depth and every node is
counted, so that hostile nesting ends in LimitExceeded after microseconds. What the grammar
does not know raises NotMathematics; the caller then treats the answer as text or leaves it
undecided. Calculus and environments are in `parser_forms`.
"""

from __future__ import annotations

import contextlib
from fractions import Fraction
from typing import Final

from rewardsvc_verifiers.math import parser_forms, parser_units, tree
from rewardsvc_verifiers.math.tokens import (
    COMMAND,
    DIGITS,
    END_TOKEN,
    LETTER,
    NUM,
    OPERATOR,
    REPEATING,
    TEXTUAL,
    WORD,
    Token,
)
from rewardsvc_verifiers.math.tree import LimitExceeded, Node, NotMathematics
from rewardsvc_verifiers.math.word_lists import words

# Binding powers.
MAXIMUM_CHAINED: Final = 100

SEPARATOR: Final = 1
MODULO_POWER: Final = 3
RELATION_POWER: Final = 4
RATIO_POWER: Final = 6
SET_POWER: Final = 7
SUM_POWER: Final = 10
PRODUCT_POWER: Final = 20
IMPLICIT_POWER: Final = 22
PREFIX_POWER: Final = 21
EXPONENT_POWER: Final = 40
POSTFIX_POWER: Final = 50

RELATIONS: Final = frozenset({"=", "<", ">", "<=", ">=", "!=", "in", "notin", "subset", "~=", "=="})
FUNCTIONS: Final = frozenset(
    words(
        """
    sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh coth
    sech csch ln lg exp arcsinh arccosh arctanh asin acos atan asinh acosh atanh cis Re Im
    arg
    """
    )
)
CALLED: Final = frozenset(["gcd", "lcm", "max", "min", "floor", "ceil", "det", "Gamma"])
_ALIASES: Final = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh",
    "acosh": "arccosh", "atanh": "arctanh",
}  # fmt: skip
_INVERSES: Final = {
    "sin": "arcsin", "cos": "arccos", "tan": "arctan", "cot": "arccot", "sec": "arcsec",
    "csc": "arccsc", "sinh": "arcsinh", "cosh": "arccosh", "tanh": "arctanh",
}  # fmt: skip
_NUMBER_SETS: Final = frozenset(["reals", "integers", "rationals", "complexes", "naturals"])
_ACCENTS: Final = frozenset(
    words(
        """
    vec hat bar overline overrightarrow widehat tilde widetilde underline dot ddot
    """
    )
)
_OPENING: Final = frozenset({"(", "[", "\\{", "{"})
_INFIX_STOP: Final = frozenset({")", "]", "\\}", "}", "|", "\\mid", "&", "\\\\", "||", "rangle"})
_BASE_WORDS: Final = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "sixteen": 16,
}  # fmt: skip
#: Words between parts, and what a list that holds them is called.
CONNECTIVES: Final = {
    "and": "and", "or": "or", "for": "where", "where": "where", "with": "where",
    "for any": "where", "for all": "where", "for some": "where", "for every": "where",
    "such that": "where", "if": "where", "when": "where", "provided": "where",
    "for integer": "where", "for integers": "where", "any": "where", "all": "where",
    "but": "and", "as well as": "and",
}  # fmt: skip
_CALLABLE_LETTERS: Final = frozenset({"f", "g", "h", "F", "G", "P", "Q", "Gamma"})
_SYMBOL_WORD_LETTERS: Final = 4


class Parser:
    """One pass over one token list."""

    def __init__(self, tokens: list[Token], text_words: bool = False) -> None:
        self.tokens = [*tokens, END_TOKEN]
        self.position = 0
        self.depth = 0
        self.nodes = 0
        self.chained = 0
        self.text_words = text_words
        self.in_absolute = 0
        self.relation_stop = 0

    # Reading tokens.

    def peek(self, ahead: int = 0) -> Token:
        """The token at the position, or further on; the list ends with an END token."""
        if not ahead:
            return self.tokens[self.position]
        index = self.position + ahead
        return self.tokens[index] if index < len(self.tokens) else END_TOKEN

    def take(self) -> Token:
        """The token at the position, which moves on; END is never passed."""
        token = self.tokens[self.position]
        if token is not END_TOKEN:
            self.position += 1
        return token

    def at(self, text: str, kind: str = OPERATOR) -> bool:
        token = self.peek()
        return token.text == text and token.kind == kind

    def accept(self, text: str, kind: str = OPERATOR) -> bool:
        if self.at(text, kind):
            self.position += 1
            return True
        return False

    def expect(self, text: str, kind: str = OPERATOR) -> None:
        if not self.accept(text, kind):
            raise NotMathematics(f"expected {text!r}")

    def make(self, kind: str, args: tuple[Node, ...] = (), name: str = "") -> Node:
        self.nodes += 1
        if self.nodes > tree.MAXIMUM_NODES:
            raise LimitExceeded(f"more than {tree.MAXIMUM_NODES} nodes")
        return Node(kind, args, name)

    def nest(self, kind: str, args: tuple[Node, ...]) -> Node:
        """A node around a left operand; a run of them is deep without being bracketed."""
        if args[0].args:
            self.chained += 1
            if self.chained > MAXIMUM_CHAINED:
                raise LimitExceeded(f"more than {MAXIMUM_CHAINED} chained operations")
        return self.make(kind, args)

    def product(self, left: Node, right: Node) -> Node:
        """A product, flat, so that a long one is not deep."""
        if left.kind == tree.MULTIPLY and len(left.args) < tree.MAXIMUM_MATRIX_CELLS:
            return self.make(tree.MULTIPLY, (*left.args, right))
        return self.nest(tree.MULTIPLY, (left, right))

    # The grammar.

    def parse(self) -> Node:
        """The whole token list as one answer."""
        if len(self.tokens) == 1:
            raise NotMathematics("nothing to parse")
        node = self.expression(0)
        if self.tokens[self.position] is not END_TOKEN:
            raise NotMathematics(f"unexpected {self.peek().text!r}")
        return node

    def expression(self, power: int) -> Node:
        """An expression whose operators bind more tightly than `power`."""
        self.depth += 1
        if self.depth > tree.MAXIMUM_DEPTH:
            raise LimitExceeded(f"nested deeper than {tree.MAXIMUM_DEPTH}")
        left = self.prefix()
        while True:
            token = self.tokens[self.position]
            kind = token.kind
            text = token.text
            if kind == OPERATOR:
                if text in _INFIX_STOP:
                    break
                if text == "+" or text == "-" or text == "+-" or text == "-+":
                    if power >= SUM_POWER:
                        break
                    left = self.sum(left)
                    continue
                if text == "^":
                    if power >= EXPONENT_POWER:
                        break
                    left = self.power(left)
                    continue
                if text == "*" or text == "/":
                    if power >= PRODUCT_POWER:
                        break
                    self.position += 1
                    right = self.expression(IMPLICIT_POWER)
                    if text == "*":
                        left = self.product(left, right)
                    else:
                        left = self.nest(tree.DIVIDE, (left, right))
                    continue
                if text == "!" or text == "%" or text == "deg" or text == "'":
                    if power >= POSTFIX_POWER:
                        break
                    left = self.postfix(left, text)
                    continue
                if text == "_":
                    left = self.subscript(left)
                    continue
                if text in RELATIONS:
                    if power >= RELATION_POWER:
                        break
                    left = self.relation(left)
                    continue
                if text == "," or text == ";":
                    if power >= SEPARATOR:
                        break
                    left = self.separated(left)
                    continue
                if text == "cup" or text == "cap" or text == "setminus":
                    if power >= SET_POWER:
                        break
                    self.position += 1
                    right = self.expression(SET_POWER)
                    name = {"cup": tree.UNION, "cap": tree.INTERSECTION}.get(
                        text, tree.SET_DIFFERENCE
                    )
                    left = self.nest(name, (left, right))
                    continue
                if text == ":":
                    if power >= RATIO_POWER or self.relation_stop:
                        break
                    left = self.ratio(left)
                    continue
                if text == "(" and self.peek(1).text == "mod":
                    if power >= MODULO_POWER:
                        break
                    self.position += 2
                    left = self.make(tree.MODULO, (left, self.expression(0)))
                    self.expect(")")
                    continue
                if text in ("(", "[", "\\{", "{"):
                    if power >= IMPLICIT_POWER or text == "\\{":
                        break
                    before = self.position
                    left = self.juxtaposed(left, token)
                    if self.position == before:
                        raise NotMathematics("a bracket that continues nothing")
                    continue
                break
            if (kind in (WORD, TEXTUAL)) and text in CONNECTIVES:
                if power >= SEPARATOR:
                    break
                left = self.separated(left)
                continue
            if kind == COMMAND and text == "choose":
                if power >= PRODUCT_POWER:
                    break
                self.position += 1
                left = self.make(tree.FUNCTION, (left, self.expression(PRODUCT_POWER)), "binom")
                continue
            if kind == COMMAND and (text.startswith("end:") or text == "rangle"):
                break
            if kind == COMMAND and text in ("rfloor", "rceil", "Vert", "rVert", "over"):
                break
            if kind == COMMAND and text in ("bmod", "mod", "pmod"):
                if power >= MODULO_POWER:
                    break
                self.position += 1
                left = self.make(tree.MODULO, (left, self.argument()))
                continue
            if kind == "end":
                break
            if power >= IMPLICIT_POWER:
                break
            before = self.position
            left = self.juxtaposed(left, token)
            if self.position == before:
                raise NotMathematics(f"nothing could be made of {text[:20]!r}")
        self.depth -= 1
        return left

    def sum(self, left: Node) -> Node:
        """A run of additions, flat, so that a long sum is not deep."""
        terms = [left]
        while True:
            token = self.peek()
            if token.kind != OPERATOR:
                break
            if token.text == "+":
                self.position += 1
                if self.at("-") or self.at("+"):
                    terms.append(self.expression(SUM_POWER))
                elif self.at("..."):
                    raise NotMathematics("an open sum")
                else:
                    terms.append(self.expression(SUM_POWER))
            elif token.text == "-":
                self.position += 1
                terms.append(tree.negate(self.expression(SUM_POWER)))
            elif token.text == "+-" or token.text == "-+":
                self.position += 1
                base = terms[0] if len(terms) == 1 else self.make(tree.ADD, tuple(terms))
                right = self.expression(SUM_POWER)
                terms = [self.make(tree.PLUS_MINUS, (base, right), token.text)]
            else:
                break
        return terms[0] if len(terms) == 1 else self.make(tree.ADD, tuple(terms))

    def power(self, left: Node) -> Node:
        self.position += 1
        if self.accept("*") or self.accept("'"):
            raise NotMathematics("a starred quantity")
        exponent = self.exponent()
        return self.nest(tree.POWER, (left, exponent))

    def exponent(self) -> Node:
        if self.at("{"):
            node = self.group()
            while self.at("^"):
                node = self.power(node)
            return node
        token = self.peek()
        if token.kind == OPERATOR and token.text in ("-", "+"):
            self.position += 1
            inner = self.expression(EXPONENT_POWER - 1)
            return tree.negate(inner) if token.text == "-" else inner
        return self.expression(EXPONENT_POWER - 1)

    def postfix(self, left: Node, text: str) -> Node:
        self.position += 1
        if text == "!":
            return self.nest(tree.FACTORIAL, (left,))
        if text == "%":
            return self.nest(tree.PERCENT, (left,))
        if text == "deg":
            following = self.peek()
            if following.kind in (LETTER, TEXTUAL) and following.text in ("C", "F"):
                self.position += 1
                scale = "celsius" if following.text == "C" else "fahrenheit"
                return self.make(tree.QUANTITY, (left,), scale)
            return self.nest(tree.DEGREE, (left,))
        if left.kind == tree.SYMBOL:
            name = left.name + "'"
            if self.at("(") and left.name.rstrip("'") in _CALLABLE_LETTERS:
                return self.called(name)
            return tree.symbol(name)
        raise NotMathematics("a prime after no name")

    def subscript(self, left: Node) -> Node:
        self.position += 1
        start = self.position
        if self.at("{"):
            self.skip_group()
        else:
            self.take()
        inside = [t for t in self.tokens[start : self.position] if t.text not in "{}"]
        text = "".join(t.text for t in inside)
        digits = left.name if left.kind == tree.BASE_N else _digits_of(left)
        if digits is not None:
            base_text = text.strip("()").lower().removeprefix("base").strip()
            base = int(base_text) if base_text.isdigit() and len(base_text) < 3 else None
            base = base or _BASE_WORDS.get(base_text)
            if base is None:
                raise NotMathematics("a subscript on a number that is no base")
            return base_n(digits, base)
        if left.kind == tree.SYMBOL and len(text) <= 20:
            name = f"{left.name}_{text}"
            if self.at("(") and left.name in _CALLABLE_LETTERS:
                return self.called(name)
            return tree.symbol(name)
        raise NotMathematics("a subscript on no name")

    def relation(self, left: Node) -> Node:
        """A chain such as 1 < x <= 2, kept whole."""
        operands = [left]
        operators: list[str] = []
        while True:
            token = self.peek()
            if token.kind != OPERATOR or token.text not in RELATIONS:
                break
            self.position += 1
            text = token.text
            if text in ("<", ">") and self.at("="):
                self.position += 1
                text += "="
            if text == "==":
                text = "="
            operators.append(text)
            operands.append(self.expression(RELATION_POWER))
        return self.make(tree.RELATION, tuple(operands), " ".join(operators))

    def separated(self, left: Node) -> Node:
        """A list by commas, semicolons, "and", "or"; `name` records whether "or" stood in it."""
        items = [left]
        names = set()
        while True:
            token = self.peek()
            if token.kind == OPERATOR and token.text in (",", ";"):
                self.position += 1
                names.add(token.text)
                while self.peek().kind in (WORD, TEXTUAL) and self.peek().text in CONNECTIVES:
                    names.add(CONNECTIVES[self.take().text])
            elif token.kind in (WORD, TEXTUAL) and token.text in CONNECTIVES:
                self.position += 1
                names.add(CONNECTIVES[token.text])
            else:
                break
            if self.peek().kind == "end" and token.text in (",", ";"):
                break
            items.append(self.expression(SEPARATOR))
            if len(items) > tree.MAXIMUM_MATRIX_CELLS:
                raise LimitExceeded("too many items in a list")
        if len(items) == 1:
            return left
        name = next((word for word in ("or", "where", "and") if word in names), "")
        if name == "and" and len(items) == 2 and items[0].kind == items[1].kind == tree.QUANTITY:
            if items[0].name != items[1].name:
                with contextlib.suppress(NotMathematics):
                    return parser_units.added(self, items[0], items[1])
        return self.make(tree.LIST, tuple(items), name)

    def ratio(self, left: Node) -> Node:
        parts = [left]
        while self.accept(":"):
            parts.append(self.expression(RATIO_POWER))
        return self.make(tree.RATIO, tuple(parts))

    def juxtaposed(self, left: Node, token: Token) -> Node:
        """Implied multiplication, a mixed number, or a unit after a value."""
        if token.text == "base" and token.kind in (WORD, TEXTUAL):
            self.position += 1
            digits, base = _digits_of(left), self.take().text
            if digits is None or not base.isdigit() or len(base) > 2:
                raise NotMathematics("a base after no digits")
            return base_n(digits, int(base))
        if parser_units.starts_unit(self, left, token):
            return parser_units.read_unit(self, left)
        if token.kind == NUM and left.kind == tree.QUANTITY:
            return parser_units.compound(self, left)
        if token.kind == NUM and left.kind in (tree.NUMBER, tree.DECIMAL):
            return self.mixed_plain(left)
        if (
            token.kind == COMMAND
            and token.text == "frac"
            and left.kind == tree.NUMBER
            and self.tokens[self.position - 1].kind == NUM
        ):
            fraction = self.expression(POSTFIX_POWER)
            if _is_proper_fraction(fraction):
                return self.make(tree.MIXED, (left, fraction))
            return self.make(tree.MULTIPLY, (left, self.continued(fraction)))
        if token.kind in (NUM, REPEATING) and left.kind in (tree.SYMBOL, tree.CONSTANT):
            if not token.spaced and self.tokens[self.position - 1].kind == LETTER:
                raise NotMathematics("a digit after a letter")
        right = self.expression(IMPLICIT_POWER)
        return self.product(left, right)

    def continued(self, left: Node) -> Node:
        """Postfix and power operators that follow an operand already read."""
        while self.at("^"):
            left = self.power(left)
        return left

    def mixed_plain(self, left: Node) -> Node:
        """`7 3/4`: a whole number, a space, a proper fraction."""
        numerator, slash, denominator = self.peek(), self.peek(1), self.peek(2)
        if (
            numerator.spaced
            and slash.text == "/"
            and denominator.kind == NUM
            and numerator.text.isdigit()
            and denominator.text.isdigit()
            and 0 < int(numerator.text) < int(denominator.text)
            and left.kind == tree.NUMBER
        ):
            self.position += 3
            fraction = self.make(
                tree.DIVIDE,
                (tree.integer(int(numerator.text)), tree.integer(int(denominator.text))),
            )
            return self.make(tree.MIXED, (left, fraction))
        raise NotMathematics("two numbers side by side")

    def bracketed(self, closing: str) -> tuple[Node, ...]:
        """Arguments up to a closing bracket."""
        outer, self.in_absolute = self.in_absolute, 0
        node = self.expression(0)
        self.in_absolute = outer
        self.expect(closing)
        return node.args if node.kind == tree.LIST else (node,)

    def group(self) -> Node:
        """A LaTeX group {...}; a list in it is a set written without backslashes."""
        self.expect("{")
        if self.accept("}"):
            return self.make(tree.EMPTY_SET)
        outer, self.in_absolute = self.in_absolute, 0
        outer_stop, self.relation_stop = self.relation_stop, 0
        node = self.expression(0)
        if self.at("over", COMMAND):
            self.position += 1
            node = self.make(tree.DIVIDE, (node, self.expression(0)))
        if self.at("|") or self.at("\\mid"):
            self.position += 1
            node = self.make(tree.SET_BUILDER, (node, self.expression(0)))
        self.in_absolute, self.relation_stop = outer, outer_stop
        self.expect("}")
        if node.kind == tree.LIST:
            return node._replace(kind=tree.SET)
        return node

    def argument(self) -> Node:
        r"""One LaTeX argument: a group, or a single token; `\frac12` takes single digits."""
        token = self.peek()
        if token.text == "{" and token.kind == OPERATOR:
            return self.group()
        if token.kind == NUM and token.text.isdigit() and len(token.text) > 1:
            first, rest = token.text[0], token.text[1:]
            self.tokens = list(self.tokens)
            self.tokens[self.position] = Token(NUM, rest)
            return tree.integer(int(first))
        return self.prefix()

    def skip_group(self) -> None:
        depth = 0
        while self.peek() is not END_TOKEN:
            text = self.take().text
            if text == "{":
                depth += 1
            elif text == "}":
                depth -= 1
                if depth == 0:
                    return
        raise NotMathematics("a group is not closed")

    # Prefix position.

    def prefix(self) -> Node:
        """A number, name, bracket, function or signed operand."""
        self.nodes += 1
        if self.nodes > tree.MAXIMUM_NODES:
            raise LimitExceeded(f"more than {tree.MAXIMUM_NODES} nodes")
        token = self.take()
        kind = token.kind
        if kind == NUM:
            return number(token.text)
        if kind == LETTER:
            if token.text in _CALLABLE_LETTERS:
                if self.at("("):
                    return self.called(token.text)
                ahead = [self.peek(index).text for index in range(6)]
                if ahead == ["^", "{", "-", "1", "}", "("]:
                    self.position += 5
                    return self.called(f"{token.text}^-1")
            return _letter(token.text)
        if kind == COMMAND:
            return self.command(token.text)
        if kind == OPERATOR:
            return self.operator(token.text)
        if kind == REPEATING:
            return repeating(token.text)
        if kind == WORD:
            return self.word(token)
        if kind == DIGITS:
            return Node(tree.TEXT, (), token.text)
        if kind == TEXTUAL and len(token.text) == 1 and token.text.isalpha():
            return _letter(token.text)
        if kind == TEXTUAL and self.text_words:
            return self.make(tree.TEXT, (), token.text)
        raise NotMathematics(f"{token.text[:20]!r} is not mathematics")

    def word(self, token: Token) -> Node:
        """A short run of letters is a product of variables; a longer one is text."""
        text = token.text
        if (len(text) <= _SYMBOL_WORD_LETTERS and text.islower()) or len(text) == 2:
            if self.at("(") and text not in ("xy", "ab"):
                raise NotMathematics(f"unknown function {text!r}")
            # Letter by letter, so that in xy^2 the exponent belongs to y.
            letters = [Token(LETTER, character) for character in text]
            self.position -= 1
            self.tokens = [
                *self.tokens[: self.position], *letters, *self.tokens[self.position + 1 :]
            ]  # fmt: skip
            return self.prefix()
        if self.text_words:
            return self.make(tree.TEXT, (), text)
        raise NotMathematics(f"the word {text[:20]!r}")

    def operator(self, text: str) -> Node:
        if text == "-":
            return tree.negate(self.expression(PREFIX_POWER - 1))
        if text == "+":
            return self.expression(PREFIX_POWER - 1)
        if text in ("+-", "-+"):
            return self.make(tree.PLUS_MINUS, (self.expression(PREFIX_POWER - 1),), text)
        if text == "(":
            return self.round_or_square("(")
        if text == "[":
            return self.round_or_square("[")
        if text == "\\{":
            return self.braces()
        if text == "{":
            self.position -= 1
            return self.group()
        if text == "|":
            self.in_absolute += 1
            node = self.expression(SUM_POWER - 1)
            self.in_absolute -= 1
            self.expect("|")
            return self.make(tree.ABSOLUTE, (node,))
        if text == "...":
            return self.make(tree.ELLIPSIS)
        raise NotMathematics(f"{text!r} where a value should be")

    def round_or_square(self, opening: str) -> Node:
        if self.accept(")" if opening == "(" else "]"):
            raise NotMathematics("empty brackets")
        outer, self.in_absolute = self.in_absolute, 0
        outer_stop, self.relation_stop = self.relation_stop, 0
        node = self.expression(0)
        self.in_absolute, self.relation_stop = outer, outer_stop
        closing = self.take().text
        if closing not in (")", "]"):
            raise NotMathematics("a bracket is not closed")
        items = node.args if node.kind == tree.LIST else (node,)
        if opening == "(" and closing == ")":
            if len(items) == 1:
                return node
            return self.make(tree.TUPLE, items, "()")
        if len(items) == 2:
            return self.make(tree.INTERVAL, items, opening + closing)
        if opening != closing and len(items) == 1 and (opening, closing) != ("[", "]"):
            raise NotMathematics("brackets that do not match")
        if len(items) == 1:
            return node
        return self.make(tree.TUPLE, items, "[]")

    def braces(self) -> Node:
        if self.accept("\\}"):
            return self.make(tree.EMPTY_SET)
        outer, self.in_absolute = self.in_absolute, 0
        outer_stop, self.relation_stop = self.relation_stop, 1
        node = self.expression(0)
        if self.at("|") or self.at("\\mid") or self.at(":"):
            self.position += 1
            self.relation_stop = 0
            condition = self.expression(0)
            node = self.make(tree.SET_BUILDER, (node, condition))
        elif node.kind == tree.LIST:
            node = node._replace(kind=tree.SET)
        else:
            node = self.make(tree.SET, (node,))
        self.in_absolute, self.relation_stop = outer, outer_stop
        self.expect("\\}")
        return node

    def command(self, name: str) -> Node:
        if name == "frac":
            numerator = self.argument()
            denominator = self.argument()
            if parser_forms.is_differential(numerator, denominator):
                return tree.symbol(numerator.args[1].name + "'")
            derivative = parser_forms.derivative(self, numerator, denominator)
            return derivative or self.make(tree.DIVIDE, (numerator, denominator))
        if name == "sqrt":
            return self.root()
        if name == "radical":
            return self.make(tree.ROOT, (self.expression(EXPONENT_POWER), tree.integer(2)))
        if name == "cbrt":
            return self.make(tree.ROOT, (self.expression(EXPONENT_POWER), tree.integer(3)))
        if name == "pi":
            return tree.PI
        if name == "infty":
            return tree.INFINITY
        if name in FUNCTIONS:
            return self.function(_ALIASES.get(name, name))
        if name == "log":
            return self.logarithm()
        if name in CALLED:
            return self.called(name)
        if name == "binom":
            return self.make(tree.FUNCTION, (self.argument(), self.argument()), "binom")
        if name in _NUMBER_SETS:
            return self.number_set(name)
        if name == "emptyset":
            return self.make(tree.EMPTY_SET)
        if name in _ACCENTS:
            return self.accent(name)
        if name in parser_units.CURRENCIES:
            value = self.expression(PREFIX_POWER)
            if value.kind == tree.QUANTITY:
                raise NotMathematics("two currencies")
            return self.make(tree.QUANTITY, (value,), parser_units.CURRENCIES[name])
        node = parser_forms.parse_form(self, name)
        if node is None:
            raise NotMathematics(f"the command {name[:20]!r}")
        return node

    def root(self) -> Node:
        degree = tree.integer(2)
        if self.accept("["):
            degree = self.expression(0)
            self.expect("]")
        radicand = self.expression(EXPONENT_POWER) if self.at("(") else self.argument()
        return self.make(tree.ROOT, (radicand, degree))

    def function(self, name: str) -> Node:
        exponent: Node | None = None
        if self.accept("^"):
            exponent = self.exponent()
            if exponent == tree.integer(-1) and name in _INVERSES:
                name, exponent = _INVERSES[name], None
        node = self.make(tree.FUNCTION, (self.function_argument(),), name)
        return node if exponent is None else self.make(tree.POWER, (node, exponent))

    def function_argument(self) -> Node:
        """A bracketed argument, or the product that follows without brackets."""
        token = self.peek()
        if token.kind == OPERATOR and token.text in ("(", "[", "{"):
            node = self.prefix()
            if node.kind in (tree.TUPLE, tree.INTERVAL):
                raise NotMathematics("a function of several arguments")
            if token.text == "{":
                while self.at("^"):
                    node = self.power(node)
            return node
        if token.kind == OPERATOR and token.text == "-":
            self.position += 1
            return tree.negate(self.function_argument())
        node = self.expression(EXPONENT_POWER - 1)
        while True:
            token = self.peek()
            if token.kind in (LETTER, NUM) or (
                token.kind == COMMAND and token.text in ("pi", "frac", "sqrt", "radical")
            ):
                if token.kind == NUM and node.kind in (tree.NUMBER, tree.DECIMAL):
                    return node
                node = self.make(tree.MULTIPLY, (node, self.expression(EXPONENT_POWER - 1)))
            elif (
                token.kind == OPERATOR
                and token.text == "/"
                and self.peek(1).kind == NUM
                and node.kind != tree.NUMBER
            ):
                self.position += 1
                node = self.make(tree.DIVIDE, (node, self.expression(EXPONENT_POWER - 1)))
            elif token.kind == OPERATOR and token.text == "deg":
                self.position += 1
                node = self.make(tree.DEGREE, (node,))
            else:
                return node

    def logarithm(self) -> Node:
        base: Node | None = None
        exponent: Node | None = None
        for _ in range(2):
            if self.accept("_"):
                base = self.argument()
            elif self.accept("^"):
                exponent = self.exponent()
        argument = self.function_argument()
        if base is None:
            node = self.make(tree.FUNCTION, (argument,), "log")
        else:
            node = self.make(tree.LOGARITHM, (argument, base))
        return node if exponent is None else self.make(tree.POWER, (node, exponent))

    def called(self, name: str) -> Node:
        if name in ("max", "min", "gcd", "lcm") and self.accept("\\{"):
            return self.make(tree.FUNCTION, self.bracketed("\\}"), name)
        if name == "det" and self.peek().kind == COMMAND:
            return self.make(tree.FUNCTION, (self.prefix(),), name)
        if not self.accept("("):
            raise NotMathematics(f"{name} without its arguments")
        return self.make(tree.FUNCTION, self.bracketed(")"), name)

    def number_set(self, name: str) -> Node:
        if self.at("^") or self.at("_"):
            half = self.half_line(name)
            if half is not None:
                return half
        if self.accept("^"):
            return self.make(tree.NUMBER_SET, (self.exponent(),), name)
        if self.accept("_"):
            raise NotMathematics("a decorated set of numbers")
        return self.make(tree.NUMBER_SET, (), name)

    def half_line(self, name: str) -> Node | None:
        """The positive or negative reals or integers; None when the decoration is another."""
        start = self.position
        self.position += 1
        if self.at("{"):
            self.skip_group()
        else:
            self.take()
        texts = [t.text for t in self.tokens[start + 1 : self.position] if t.text not in "{}"]
        sign = "".join(texts)
        if sign in ("+", ">0", "-", "<0", ">=0", "<=0"):
            if name == "reals":
                closed = "=" in sign
                if sign[0] in "+>":
                    ends, brackets = (tree.ZERO, tree.INFINITY), "[)" if closed else "()"
                else:
                    ends = (tree.negate(tree.INFINITY), tree.ZERO)
                    brackets = "(]" if closed else "()"
                return self.make(tree.INTERVAL, ends, brackets)
            return self.make(tree.NUMBER_SET, (), f"{name}{sign.replace('>0', '+')}")
        self.position = start
        return None

    def accent(self, name: str) -> Node:
        """A decorated name is a variable of its own; `name` keeps which."""
        start = self.position
        if self.at("{"):
            self.skip_group()
        else:
            self.take()
        inside = "".join(t.text for t in self.tokens[start : self.position] if t.text not in "{}")
        if not inside or len(inside) > 20 or any(c.isdigit() for c in inside):
            raise NotMathematics("a decoration on no name")
        if name in ("vec", "overrightarrow", "hat", "widehat"):
            return tree.symbol(f"{name}({inside})")
        return tree.symbol(f"{name}({inside})")


def parse_tokens(tokens: list[Token], text_words: bool = False) -> Node:
    """The tree of a token list. Raises NotMathematics or LimitExceeded."""
    return Parser(tokens, text_words).parse()


def number(text: str) -> Node:
    """A literal: an integer, or a decimal that remembers how it was written."""
    if text.isdigit():
        return Node(tree.NUMBER, (), "", int(text))
    _mantissa, _, exponent = text.lower().partition("e")
    if exponent and abs(int(exponent)) > tree.MAXIMUM_DIGITS:
        raise LimitExceeded("an exponent too large")
    value: tree.Rational = Fraction(text)
    if value.denominator == 1:
        value = int(value)
    return Node(tree.DECIMAL, (), text.lower(), value)


def repeating(text: str) -> Node:
    """`0.1(6)` as the fraction it is."""
    whole, _, rest = text.partition(".")
    fixed, _, period = rest.rstrip(")").partition("(")
    scale = 10 ** len(fixed)
    nines = 10 ** len(period) - 1
    value: tree.Rational = Fraction(int(whole + fixed), scale) + Fraction(
        int(period), scale * nines
    )
    if value.denominator == 1:
        value = int(value)
    return tree.integer(value)


def base_n(digits: str, base: int) -> Node:
    """A number written in base 2 to 36; its name keeps the digits and the base."""
    if not 2 <= base <= 36:
        raise NotMathematics("no such base")
    try:
        value = int(digits, base)
    except ValueError:
        raise NotMathematics(f"{digits} is not a number in base {base}") from None
    return Node(tree.BASE_N, (), f"{digits.upper()}_{base}", value)


def _digits_of(node: Node) -> str | None:
    """The digits that a base subscript applies to: 1011, or A3F read as letters and numbers."""
    if node.kind == tree.NUMBER and isinstance(node.number, int) and node.number >= 0:
        return str(node.number)
    if node.kind == tree.TEXT:
        return node.name
    return None


def _letter(name: str) -> Node:
    if name == "e":
        return tree.EULER
    if name == "i":
        return tree.IMAGINARY
    if name == "∞":
        return tree.INFINITY
    return tree.symbol(name)


def _is_proper_fraction(node: Node) -> bool:
    if node.kind != tree.DIVIDE:
        return False
    top, bottom = node.args
    return (
        top.kind == tree.NUMBER
        and bottom.kind == tree.NUMBER
        and isinstance(top.number, int)
        and isinstance(bottom.number, int)
        and 0 < top.number < bottom.number
    )
