"""The grammar of what stands between and after operands."""

from __future__ import annotations

import contextlib
from typing import Final

from rewardsvc_verifiers.math import parser_units, tree
from rewardsvc_verifiers.math.literals import (
    base_n,
    digits_of,
    is_proper_fraction,
)
from rewardsvc_verifiers.math.parser_base import (
    CALLABLE_LETTERS,
    EXPONENT_POWER,
    IMPLICIT_POWER,
    POSTFIX_POWER,
    RATIO_POWER,
    RELATION_POWER,
    SEPARATOR,
    SUM_POWER,
    ParserBase,
)
from rewardsvc_verifiers.math.token_table import (
    COMMAND,
    LETTER,
    NUM,
    OPERATOR,
    REPEATING,
    TEXTUAL,
    WORD,
)
from rewardsvc_verifiers.math.tokens import Token
from rewardsvc_verifiers.math.tree import LimitExceeded, Node, NotMathematics

RELATIONS: Final = frozenset({"=", "<", ">", "<=", ">=", "!=", "in", "notin", "subset", "~=", "=="})
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


class InfixParser(ParserBase):
    """What follows an operand: operators, units, lists, subscripts."""

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
            if self.at("(") and left.name.rstrip("'") in CALLABLE_LETTERS:
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
        digits = left.name if left.kind == tree.BASE_N else digits_of(left)
        if digits is not None:
            base_text = text.strip("()").lower().removeprefix("base").strip()
            base = int(base_text) if base_text.isdigit() and len(base_text) < 3 else None
            base = base or _BASE_WORDS.get(base_text)
            if base is None:
                raise NotMathematics("a subscript on a number that is no base")
            return base_n(digits, base)
        if left.kind == tree.SYMBOL and len(text) <= 20:
            name = f"{left.name}_{text}"
            if self.at("(") and left.name in CALLABLE_LETTERS:
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
            following = self.peek()
            at_end = following.kind == "end" or following.text in ("&", "\\\\")
            if token.text in (",", ";") and (at_end or following.text.startswith("end:")):
                break
            items.append(self.expression(SEPARATOR))
            if len(items) > tree.MAXIMUM_MATRIX_CELLS:
                raise LimitExceeded("too many items in a list")
        if len(items) == 1:
            return left
        name = next((word for word in ("or", "where", "and") if word in names), "")
        quantities = len(items) == 2 and items[0].kind == items[1].kind == tree.QUANTITY
        if name == "and" and quantities and items[0].name != items[1].name:
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
            digits, base = digits_of(left), self.take().text
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
            if is_proper_fraction(fraction):
                return self.make(tree.MIXED, (left, fraction))
            return self.make(tree.MULTIPLY, (left, self.continued(fraction)))
        touching = token.kind in (NUM, REPEATING) and not token.spaced
        after_letter = self.tokens[self.position - 1].kind == LETTER
        if touching and after_letter and left.kind in (tree.SYMBOL, tree.CONSTANT):
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
