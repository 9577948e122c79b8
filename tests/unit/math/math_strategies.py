"""Hypothesis strategies: expressions that know their own exact value at one point."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from hypothesis import strategies as st

POINT = {"x": Fraction(17, 5), "y": Fraction(-23, 7)}
NUMBERS = st.builds(Fraction, st.integers(-50, 50), st.integers(1, 12))


class Expression(NamedTuple):
    """LaTeX, its exact value at POINT, and a form that only equal structures share."""

    latex: str
    value: Fraction
    structure: str


_LEAVES = st.integers(0, 30).map(
    lambda n: Expression(str(n), Fraction(n), str(n))
) | st.sampled_from([Expression(name, value, name) for name, value in POINT.items()])


def _add(pair: tuple[Expression, Expression]) -> Expression:
    a, b = pair
    parts = sorted([a.structure, b.structure])
    return Expression(f"({a.latex}+{b.latex})", a.value + b.value, f"(+ {' '.join(parts)})")


def _multiply(pair: tuple[Expression, Expression]) -> Expression:
    a, b = pair
    parts = sorted([a.structure, b.structure])
    return Expression(f"{a.latex}\\cdot {b.latex}", a.value * b.value, f"(* {' '.join(parts)})")


def _negate(a: Expression) -> Expression:
    return Expression(f"(-{a.latex})", -a.value, f"(- {a.structure})")


def _square(a: Expression) -> Expression:
    return Expression(f"({a.latex})^2", a.value**2, f"(^2 {a.structure})")


def _fraction(pair: tuple[Expression, int]) -> Expression:
    a, n = pair
    return Expression(f"\\frac{{{a.latex}}}{{{n}}}", a.value / n, f"(/ {a.structure} {n})")


EXPRESSIONS = st.recursive(
    _LEAVES,
    lambda inner: (
        st.tuples(inner, inner).map(_add)
        | st.tuples(inner, inner).map(_multiply)
        | inner.map(_negate)
        | inner.map(_square)
        | st.tuples(inner, st.integers(1, 9)).map(_fraction)
    ),
    max_leaves=8,
)


def layout(latex: str) -> st.SearchStrategy[str]:
    """The same expression in other notation."""
    return st.sampled_from(
        [
            f"${latex}$", f"\\({latex}\\)", f"{latex}.", f" {latex} ", f"\\displaystyle {latex}",
            latex.replace("\\frac", "\\dfrac"), latex.replace("\\cdot ", "\\times "),
            latex.replace("(", "\\left(").replace(")", "\\right)"), latex.replace("+", " + "),
            latex.replace("-", "−"), latex.replace("^2", "²"), latex.replace("\\cdot ", "·"),
            latex.replace("x", "{x}"), f"\\boxed{{{latex}}}", latex.replace("+", "\\,+\\;"),
            f"**{latex}**", latex.replace("(", "（").replace(")", "）"),
        ]
    )  # fmt: skip
