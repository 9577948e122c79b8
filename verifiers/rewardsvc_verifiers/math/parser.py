r"""Parse the tokens of an answer to a tree: precedence climbing, bounded, without evaluation.

LaTeX and plain notation share one grammar. Every recursion counts depth and every node is
counted, so that hostile nesting ends in LimitExceeded after microseconds. What the grammar
does not know raises NotMathematics; the caller then treats the answer as text or leaves it
undecided. Calculus and environments are in `parser_forms`.
"""

from __future__ import annotations

from typing import Final

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.parser_base import (
    EXPONENT_POWER,
    IMPLICIT_POWER,
    MODULO_POWER,
    POSTFIX_POWER,
    PRODUCT_POWER,
    RATIO_POWER,
    RELATION_POWER,
    SEPARATOR,
    SET_POWER,
    SUM_POWER,
)
from rewardsvc_verifiers.math.parser_commands import (
    CommandParser,
)
from rewardsvc_verifiers.math.parser_infix import (
    CONNECTIVES,
    RELATIONS,
    InfixParser,
)
from rewardsvc_verifiers.math.parser_prefix import (
    PrefixParser,
)
from rewardsvc_verifiers.math.token_table import COMMAND, OPERATOR, TEXTUAL, WORD
from rewardsvc_verifiers.math.tokens import END_TOKEN, Token
from rewardsvc_verifiers.math.tree import LimitExceeded, Node, NotMathematics

_INFIX_STOP: Final = frozenset({")", "]", "\\}", "}", "|", "\\mid", "&", "\\\\", "||", "rangle"})


class Parser(InfixParser, PrefixParser, CommandParser):
    """The whole grammar: one object for one token list."""

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


def parse_tokens(tokens: list[Token], text_words: bool = False) -> Node:
    """The tree of a token list. Raises NotMathematics or LimitExceeded."""
    return Parser(tokens, text_words).parse()
