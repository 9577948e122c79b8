r"""Fuzz the math verifier with atheris: any text, any reference, no exception, no long call.

    pip install atheris
    python tests/fuzz/fuzz_math.py [CORPUS] -max_total_time=300 -timeout=2 -rss_limit_mb=1024

Not collected by pytest. A finding is an exception that leaves `attempt`, a verdict that blames
the verifier itself, an answer that is not equal to itself, verdicts that differ between the
two directions under the symmetric policy, or a call slower than half a CPU second under
coverage tracing (about 20 ms without).
"""

from __future__ import annotations

import sys
import time

import atheris

with atheris.instrument_imports(include=["rewardsvc_verifiers.math"]):
    from rewardsvc_verifiers.math import MathPolicy, MathVerifier, SymbolicTask
    from rewardsvc_verifiers.math.extract import matching_brace

PIECES = [
    r"\frac{",
    r"}",
    r"{",
    r"\sqrt",
    r"\sqrt[3]{",
    r"\sin",
    r"\ln",
    r"\log_",
    r"\int_0^1",
    r"dx",
    r"\sum_{n=1}^{",
    r"\lim_{x\to",
    r"\pm",
    r"\cup",
    r"\in",
    r"\{",
    r"\}",
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
    r"\le",
    r"\ne",
    r"+",
    r"-",
    r"*",
    r"/",
    r"!",
    r"%",
    r"^\circ",
    r"1",
    r"2",
    r"10",
    r"0",
    r"9",
    r"x",
    r"y",
    r"n",
    r"e",
    r"i",
    r"\pi",
    r"\infty",
    r"\text{",
    r"cm",
    r"or",
    r"and",
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
    r"\overline{",
    r"a_1",
    r"0.3",
    r"1,000",
    r"1e9",
    r"\mathbb{R}",
    r"\setminus",
    r"\ldots",
    r"\mid",
    r"\binom{",
    r"\lfloor",
    r"\rfloor",
    r"\pmod{",
    r"base",
    r"\boxed{",
    r"<answer>",
    r"</answer>",
    r"####",
    r"Answer:",
    r"A:",
    r"\left",
    r"\right",
    r"\dfrac12",
    r"3\frac12",
    r"(B)",
    r"DNE",
    r"3:30",
    r"p.m.",
    r"15",
    r"km",
    r"kg",
    r"m/s^2",
    r"degrees",
    r"percent",
    r"x=1",
    r"y=2",
    r"1<x<2",
    r"\mathrm{",
    r"f(x)=",
    r"]",
    r"[",
    r"\det",
    r"\gcd(",
    r"^{-1}",
    r"5!",
    r"10^{",
    r"1011_2",
]
VERIFIER = MathVerifier()
STRICT = MathVerifier(MathPolicy.named("strict", units="optional", labels="optional"))


def outcome(verifier: MathVerifier, response: str, reference: str) -> str:
    """The outcome of the in-process stages."""
    result = verifier.attempt(response, verifier.prepare(reference))
    verdict = result.undecided if isinstance(result, SymbolicTask) else result
    if "the verifier failed" in verdict.reason:
        raise AssertionError(verdict.reason)
    return str(verdict.outcome)


def plain(answer: str) -> bool:
    """Whether a box around the text holds exactly it, and it declares nothing of its own."""
    boxed = f"{{{answer}}}"
    declares = any(mark in answer.lower() for mark in ("boxed", "answer", "####", "a:"))
    return bool(answer.strip()) and not declares and matching_brace(boxed, 0) == len(boxed) - 1


def text_from(data: atheris.FuzzedDataProvider) -> str:
    """Half of the time raw text, else a string of pieces."""
    if data.ConsumeBool():
        return data.ConsumeUnicodeNoSurrogates(200)
    count = data.ConsumeIntInRange(0, 30)
    glue = " " if data.ConsumeBool() else ""
    return glue.join(PIECES[data.ConsumeIntInRange(0, len(PIECES) - 1)] for _ in range(count))


def test_one_input(raw: bytes) -> None:
    """One fuzzing step."""
    data = atheris.FuzzedDataProvider(raw)
    answer, reference = text_from(data), text_from(data)
    start = time.process_time()
    outcome(VERIFIER, answer, reference if reference.strip() else "1")
    boxed = f"\\boxed{{{answer}}}"
    whole = plain(answer) and plain(reference)
    if whole:
        forward = outcome(STRICT, boxed, reference)
        backward = outcome(STRICT, f"\\boxed{{{reference}}}", answer if answer.strip() else "1")
        if {forward, backward} == {"correct", "incorrect"}:
            raise AssertionError(f"asymmetric: {answer!r} and {reference!r}")
    if plain(answer) and outcome(VERIFIER, boxed, boxed) == "incorrect":
        raise AssertionError(f"an answer that is not itself: {answer!r}")
    if time.process_time() - start > 0.5:
        raise AssertionError(f"slow: {answer!r} and {reference!r}")


def main() -> None:
    """Run atheris."""
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
