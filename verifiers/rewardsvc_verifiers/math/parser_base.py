"""The parser's ground floor: its position, its limits, its binding powers."""

from __future__ import annotations

from typing import Final

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.token_table import OPERATOR
from rewardsvc_verifiers.math.tokens import END_TOKEN, Token
from rewardsvc_verifiers.math.tree import LimitExceeded, Node, NotMathematics

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
CALLABLE_LETTERS: Final = frozenset({"f", "g", "h", "F", "G", "P", "Q", "Gamma"})


class ParserBase:
    """One pass over one token list: reading tokens, making nodes, counting both."""

    def __init__(self, tokens: list[Token], text_words: bool = False) -> None:
        self.tokens = [*tokens, END_TOKEN]
        self.position = 0
        self.depth = 0
        self.nodes = 0
        self.chained = 0
        self.text_words = text_words
        self.in_absolute = 0
        self.relation_stop = 0

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

    # What the other halves of the parser provide.

    def expression(self, power: int) -> Node:
        """An expression whose operators bind more tightly than `power`."""
        raise NotImplementedError

    def prefix(self) -> Node:
        """A number, name, bracket, function or signed operand."""
        raise NotImplementedError

    def command(self, name: str) -> Node:
        """What a command opens."""
        raise NotImplementedError

    def group(self) -> Node:
        """A LaTeX group {...}."""
        raise NotImplementedError

    def argument(self) -> Node:
        """One LaTeX argument."""
        raise NotImplementedError

    def bracketed(self, closing: str) -> tuple[Node, ...]:
        """Arguments up to a closing bracket."""
        raise NotImplementedError

    def called(self, name: str) -> Node:
        """A function with its bracketed arguments."""
        raise NotImplementedError

    def exponent(self) -> Node:
        """What stands after `^`."""
        raise NotImplementedError

    def power(self, left: Node) -> Node:
        """`left` with the exponent that follows."""
        raise NotImplementedError
