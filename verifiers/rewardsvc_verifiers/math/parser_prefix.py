"""The grammar of what opens an operand, commands aside."""

from __future__ import annotations

from typing import Final

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.literals import (
    letter,
    number,
    repeating,
)
from rewardsvc_verifiers.math.parser_base import (
    CALLABLE_LETTERS,
    PREFIX_POWER,
    SUM_POWER,
    ParserBase,
)
from rewardsvc_verifiers.math.token_table import (
    COMMAND,
    DIGITS,
    LETTER,
    NUM,
    OPERATOR,
    REPEATING,
    TEXTUAL,
    WORD,
)
from rewardsvc_verifiers.math.tokens import Token
from rewardsvc_verifiers.math.tree import LimitExceeded, Node, NotMathematics

_SYMBOL_WORD_LETTERS: Final = 4


class PrefixParser(ParserBase):
    """What opens an operand: numbers, names, brackets, groups."""

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
            if token.text in CALLABLE_LETTERS:
                if self.at("("):
                    return self.called(token.text)
                ahead = [self.peek(index).text for index in range(6)]
                if ahead == ["^", "{", "-", "1", "}", "("]:
                    self.position += 5
                    return self.called(f"{token.text}^-1")
            return letter(token.text)
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
            return letter(token.text)
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
