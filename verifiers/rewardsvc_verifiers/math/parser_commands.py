"""The grammar of LaTeX commands and of functions in plain notation."""

from __future__ import annotations

from typing import Final

from rewardsvc_verifiers.math import parser_forms, parser_units, tree
from rewardsvc_verifiers.math.parser_base import (
    EXPONENT_POWER,
    PREFIX_POWER,
    ParserBase,
)
from rewardsvc_verifiers.math.token_table import COMMAND, LETTER, NUM, OPERATOR
from rewardsvc_verifiers.math.tree import Node, NotMathematics
from rewardsvc_verifiers.math.word_lists import words

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


class CommandParser(ParserBase):
    """What a LaTeX command opens: fractions, roots, functions, sets."""

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
