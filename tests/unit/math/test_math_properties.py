"""Properties: reflexive, symmetric, blind to notation, silent on any text."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from math_strategies import EXPRESSIONS, NUMBERS, Expression, layout
from rewardsvc_verifiers.math import MathPolicy, MathVerifier, SymbolicTask
from rewardsvc_verifiers.math.reading import read
from rewardsvc_verifiers.verdict import Verdict

VERIFIER = MathVerifier()
STRICT = MathVerifier(MathPolicy.named("strict"))


def verdict(answer: str, reference: str, verifier: MathVerifier = VERIFIER) -> Verdict:
    result = verifier.attempt(f"\\boxed{{{answer}}}", verifier.prepare(reference))
    return result.undecided if isinstance(result, SymbolicTask) else result


@given(EXPRESSIONS)
def test_reflexive(expression: Expression) -> None:
    assert verdict(expression.latex, expression.latex).outcome == "correct"


@given(EXPRESSIONS, st.data())
def test_notation_does_not_matter(expression: Expression, data: st.DataObject) -> None:
    other = data.draw(layout(expression.latex))
    assert verdict(other, expression.latex).outcome == "correct", other


@given(NUMBERS, NUMBERS)
def test_numbers_are_compared_exactly(first: Fraction, second: Fraction) -> None:
    answer = f"\\frac{{{first.numerator}}}{{{first.denominator}}}"
    reference = f"{second.numerator}/{second.denominator}"
    expected = "correct" if first == second else "incorrect"
    assert verdict(answer, reference, STRICT).outcome == expected


@given(EXPRESSIONS, EXPRESSIONS)
def test_symmetric_under_a_symmetric_policy(first: Expression, second: Expression) -> None:
    one = verdict(first.latex, second.latex, STRICT).outcome
    other = verdict(second.latex, first.latex, STRICT).outcome
    assert one == other


@given(EXPRESSIONS, EXPRESSIONS)
def test_verdicts_agree_with_values(first: Expression, second: Expression) -> None:
    """The generator evaluates its own expressions at a rational point, exactly."""
    found = verdict(first.latex, second.latex, STRICT).outcome
    if first.value != second.value:
        assert found != "correct"
    if first.structure == second.structure:
        assert found == "correct"


@given(EXPRESSIONS, st.integers(1, 9))
def test_a_changed_constant_is_a_change(expression: Expression, step: int) -> None:
    assert verdict(f"{expression.latex}+{step}", expression.latex).outcome == "incorrect"


@given(st.lists(NUMBERS, min_size=2, max_size=6, unique=True), st.randoms(use_true_random=False))
def test_sets_have_no_order_and_tuples_have(values: list[Fraction], rng: object) -> None:
    written = [f"\\frac{{{v.numerator}}}{{{v.denominator}}}" for v in values]
    turned = written[1:] + written[:1]
    assert verdict(
        "\\{" + ",".join(turned) + "\\}", "\\{" + ", ".join(written) + "\\}"
    ).outcome == ("correct")
    found = verdict("(" + ",".join(turned) + ")", "(" + ", ".join(written) + ")").outcome
    assert found == "incorrect"


@given(st.text(max_size=120), st.text(min_size=1, max_size=60))
@settings(max_examples=300)
def test_any_text_is_read_without_an_exception(response: str, reference: str) -> None:
    read(response)
    if reference.strip():
        found = VERIFIER.attempt(response, VERIFIER.prepare(reference))
        assert isinstance(found, (Verdict, SymbolicTask))


LATEX = st.lists(
    st.sampled_from(
        [
            r"\frac",
            r"\sqrt",
            r"\sin",
            r"\log",
            r"\int",
            r"\sum",
            r"\lim",
            r"\pm",
            r"\cup",
            r"\in",
            r"\{",
            r"\}",
            r"{",
            r"}",
            r"(",
            r")",
            r"[",
            r"]",
            r"|",
            r"^",
            r"_",
            r",",
            r";",
            r":",
            r"=",
            r"<",
            r">",
            r"+",
            r"-",
            r"*",
            r"/",
            r"!",
            r"%",
            r"\circ",
            r"1",
            r"2",
            r"10",
            r"0",
            r"x",
            r"y",
            r"n",
            r"e",
            r"i",
            r"\pi",
            r"\infty",
            r"\text{cm}",
            r"\text{or}",
            r"and",
            r"or",
            r"to",
            r"\$",
            r".",
            r"'",
            r"\\",
            r"&",
            r"\begin{pmatrix}",
            r"\end{pmatrix}",
            r"\begin{cases}",
            r"\end{cases}",
            r"½",
            r"√",
            r"²",
            r"∞",
            r"…",
            r"≤",
            r"\overline",
            r"a_1",
            r"0.3",
            r"1,000",
            r"\mathbb{R}",
            r"\setminus",
            r"\ldots",
            r"\le",
            r"\ne",
            r"d",
            r"dx",
            r"\mid",
            r"\binom",
            r"\lfloor",
            r"\rfloor",
            r"mod",
            r"base",
        ]
    ),
    max_size=25,
)


@given(LATEX, LATEX)
@settings(max_examples=500)
def test_any_latex_soup_gets_a_verdict(first: list[str], second: list[str]) -> None:
    one, other = " ".join(first), "".join(second)
    if other.strip():
        found = VERIFIER.attempt(f"\\boxed{{{one}}}", VERIFIER.prepare(other))
        assert isinstance(found, (Verdict, SymbolicTask))
