"""Families of expressions: algebra, surds, trigonometry, logarithms, calculus, equations."""

from __future__ import annotations

import random
from fractions import Fraction

from rewardsvc_verifiers.math.generate.notation import latex_number, linear, nonzero
from rewardsvc_verifiers.math.generate.pair import Draft


def _polynomial(coefficients: list[int], name: str, rng: random.Random | None = None) -> str:
    """Written from the highest degree, or in random order."""
    terms: list[str] = []
    for degree in range(len(coefficients) - 1, -1, -1):
        value = coefficients[degree]
        if not value:
            continue
        power = (
            ""
            if degree == 0
            else (
                name
                if degree == 1
                else f"{name}^{{{degree}}}"
                if degree > 9
                else f"{name}^{degree}"
            )
        )
        size = "" if abs(value) == 1 and degree else str(abs(value))
        terms.append(("-" if value < 0 else "+") + size + power)
    if rng is not None:
        rng.shuffle(terms)
    return "".join(terms).lstrip("+") or "0"


def _multiply(a: list[int], b: list[int]) -> list[int]:
    result = [0] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            result[i + j] += x * y
    return result


def polynomial(rng: random.Random) -> Draft:
    name = rng.choice("xyztn")
    first = [nonzero(rng, -9, 9), nonzero(rng, 1, 5)]
    second = [nonzero(rng, -9, 9), rng.randint(-3, 3), nonzero(rng, 1, 4)][: rng.randint(2, 3)]
    if second[-1] == 0:
        second[-1] = 1
    product = _multiply(first, second)
    factored = f"({_polynomial(first, name)})({_polynomial(second, name)})"
    expanded = _polynomial(product, name)
    if rng.random() < 0.5:
        forms = [
            factored,
            _polynomial(product, name, rng),
            f"({_polynomial(second, name)})({_polynomial(first, name)})",
        ]
        return Draft(expanded, rng.choice(forms), True, "factored")
    wrong = list(product)
    place = rng.randrange(len(wrong))
    wrong[place] += rng.choice([-1, 1, 2])
    if rng.random() < 0.3 and product[place]:
        wrong = list(product)
        wrong[place] = -wrong[place]
    return Draft(
        factored if rng.random() < 0.5 else expanded, _polynomial(wrong, name), False, "coefficient"
    )


def rational_function(rng: random.Random) -> Draft:
    a, b = nonzero(rng, -9, 9), nonzero(rng, -9, 9)
    while a == b:
        b = nonzero(rng, -9, 9)
    c = nonzero(rng, -5, 5)
    x = rng.choice("xt")
    left = rf"\frac{{{linear(1, x, a)}}}{{{linear(1, x, b)}}}"
    if rng.random() < 0.5:
        forms = [
            rf"1+\frac{{{a - b}}}{{{linear(1, x, b)}}}",
            rf"\frac{{{linear(c, x, a * c)}}}{{{linear(c, x, b * c)}}}",
            rf"({linear(1, x, a)})/({linear(1, x, b)})",
            rf"({linear(1, x, a)})({linear(1, x, b)})^{{-1}}",
        ]
        return Draft(left, rng.choice(forms), True, "rational function")
    forms = [
        rf"\frac{{{linear(1, x, b)}}}{{{linear(1, x, a)}}}",
        rf"1+\frac{{{b - a}}}{{{linear(1, x, b)}}}",
        rf"\frac{{{linear(1, x, -a)}}}{{{linear(1, x, b)}}}",
        rf"\frac{{{a}}}{{{b}}}",
    ]
    return Draft(left, rng.choice(forms), False, "rational function")


def surd(rng: random.Random) -> Draft:
    k, m = rng.randint(2, 9), rng.choice([2, 3, 5, 6, 7, 10, 11, 13])
    p = nonzero(rng, -9, 9)
    kind = rng.randrange(4)
    if kind == 0:
        reference, forms = (
            rf"{k}\sqrt{{{m}}}",
            [
                rf"\sqrt{{{k * k * m}}}",
                rf"{k} \sqrt {m}" if m < 10 else rf"{k}\sqrt{{{m}}}",
                f"{k}√{m}",
                rf"\sqrt{{{m}}}\cdot {k}",
                f"{k}*sqrt({m})",
                rf"{k} \cdot {m}^{{1/2}}",
            ],
        )
        wrong = [
            rf"{m}\sqrt{{{k}}}",
            rf"{k + 1}\sqrt{{{m}}}",
            rf"\sqrt{{{k * m}}}",
            rf"{k}\sqrt{{{m + 1}}}",
        ]
        if k == m:
            wrong = wrong[1:]
    elif kind == 1:
        reference, forms = (
            rf"\frac{{{k}}}{{\sqrt{{{m}}}}}",
            [
                rf"\frac{{{k}\sqrt{{{m}}}}}{{{m}}}",
                rf"{k}/\sqrt{{{m}}}",
                rf"\frac{{{k}}}{{{m}}}\sqrt{{{m}}}",
            ],
        )
        wrong = [
            rf"\frac{{{k}\sqrt{{{m}}}}}{{{m + 1}}}",
            rf"\frac{{\sqrt{{{m}}}}}{{{k}}}",
            rf"\frac{{{k}}}{{{m}}}",
        ]
        if k * k == m:
            wrong = wrong[2:]
    elif kind == 2:
        reference, forms = (
            rf"{p}+{k}\sqrt{{{m}}}",
            [rf"{k}\sqrt{{{m}}}{p:+d}", rf"{p}+\sqrt{{{k * k * m}}}", f"{p} + {k}√{m}"],
        )
        wrong = [
            rf"{p}-{k}\sqrt{{{m}}}",
            rf"{p + k}\sqrt{{{m}}}",
            rf"{k}+{p}\sqrt{{{m}}}",
            rf"{-p}+{k}\sqrt{{{m}}}",
        ]
        if p == k:
            wrong = [rf"{p}-{k}\sqrt{{{m}}}"]
    else:
        reference, forms = (
            rf"\frac{{1}}{{\sqrt{{{m}}}-1}}",
            [rf"\frac{{\sqrt{{{m}}}+1}}{{{m - 1}}}", rf"\frac{{1+\sqrt{{{m}}}}}{{{m - 1}}}"],
        )
        wrong = [
            rf"\frac{{\sqrt{{{m}}}-1}}{{{m - 1}}}",
            rf"\frac{{\sqrt{{{m}}}+1}}{{{m}}}",
            rf"\frac{{1}}{{\sqrt{{{m}}}+1}}",
        ]
    if rng.random() < 0.5:
        return Draft(reference, rng.choice(forms), True, "surd")
    return Draft(reference, rng.choice(wrong), False, "surd")


def trigonometry(rng: random.Random) -> Draft:
    x = rng.choice(["x", r"\theta", "t", r"\alpha"])
    k = rng.randint(2, 6)
    identities = [
        (
            rf"\sin^2 {x}",
            [rf"1-\cos^2 {x}", rf"\frac{{1-\cos 2{x}}}{{2}}"],
            [rf"1-\sin^2 {x}", rf"\sin {x}^2", rf"\frac{{1+\cos 2{x}}}{{2}}"],
        ),
        (
            rf"\sin 2{x}",
            [rf"2\sin {x}\cos {x}", rf"2\cos({x})\sin({x})"],
            [rf"\sin {x}\cos {x}", rf"2\sin {x}", rf"\sin^2 {x}"],
        ),
        (
            rf"\cos 2{x}",
            [rf"2\cos^2 {x}-1", rf"\cos^2 {x}-\sin^2 {x}", rf"1-2\sin^2 {x}"],
            [rf"2\cos^2 {x}+1", rf"\sin^2 {x}-\cos^2 {x}", rf"1-\sin^2 {x}"],
        ),
        (
            rf"\sec^2 {x}",
            [rf"1+\tan^2 {x}", rf"\frac{{1}}{{\cos^2 {x}}}"],
            [rf"1-\tan^2 {x}", rf"\frac{{1}}{{\sin^2 {x}}}"],
        ),
        (
            rf"{k}\tan {x}",
            [rf"\frac{{{k}\sin {x}}}{{\cos {x}}}"],
            [rf"\frac{{{k}\cos {x}}}{{\sin {x}}}", rf"\tan {k}{x}"],
        ),
        (
            rf"\sin {k}{x}",
            [rf"\sin({k}{x})", rf"\cos(\frac{{\pi}}{{2}}-{k}{x})"],
            [rf"{k}\sin {x}", rf"\cos {k}{x}"],
        ),
        (
            r"\sin 75^\circ",
            [r"\frac{\sqrt6+\sqrt2}{4}", r"\cos 15^\circ"],
            [r"\frac{\sqrt6-\sqrt2}{4}", r"\sin 75"],
        ),
        (r"\tan 15^\circ", [r"2-\sqrt{3}"], [r"2+\sqrt{3}", r"\tan 15"]),
        (rf"\arctan {x}", [rf"\tan^{{-1}} {x}"], [rf"\frac{{1}}{{\tan {x}}}", rf"\arcsin {x}"]),
    ]
    reference, equal, wrong = rng.choice(identities)
    if rng.random() < 0.5:
        return Draft(reference, rng.choice(equal), True, "identity")
    return Draft(reference, rng.choice(wrong), False, "identity")


def logarithm(rng: random.Random) -> Draft:
    a, b, k = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 4)
    cases = [
        (rf"{k}\ln {a}", [rf"\ln {a**k}", rf"\ln({a}^{k})"], [rf"\ln {a * k + 1}", rf"\ln {a}"]),
        (
            rf"\ln {a * b}",
            [rf"\ln {a}+\ln {b}"],
            [
                rf"\ln {a}\ln {b}" if a * b != 4 else r"\ln 5",
                rf"\ln {a + b}" if a + b != a * b else r"\ln 7",
            ],
        ),
        (
            rf"\ln\frac{{{a}}}{{{b}}}",
            [rf"\ln {a}-\ln {b}"],
            [rf"\ln {a}+\ln {b}", rf"\frac{{\ln {a}}}{{\ln {b}}}" if a != b else r"\ln 2"],
        ),
        (
            rf"\log_{{{a}}} {a**k}",
            [str(k), rf"\frac{{\ln {a**k}}}{{\ln {a}}}"],
            [str(k + 1), str(a)] if a != k else [str(k + 1)],
        ),
        (r"\ln(x^2+1)", [r"\ln(1+x^2)"], [r"2\ln(x+1)", r"\ln x^2+1"]),
        (
            rf"e^{{{k}\ln {a}}}",
            [str(a**k), f"{a}^{k}"],
            [str(a * k) if a**k != a * k else str(a**k + 1), str(a**k + 1)],
        ),
        (r"\ln x^2", [r"2\ln|x|", r"\ln(x^2)"], [r"2\ln x", r"(\ln x)^2"]),
        (rf"e^{{{k}x}}", [rf"(e^x)^{k}", rf"\exp({k}x)"], [rf"e^{{x^{k}}}", rf"{k}e^x"]),
    ]
    reference, equal, wrong = rng.choice(cases)
    if rng.random() < 0.5:
        return Draft(reference, rng.choice(equal), True, "logarithm")
    return Draft(reference, rng.choice(wrong), False, "logarithm")


def power(rng: random.Random) -> Draft:
    a, b, n = rng.choice("xab"), rng.choice("yz"), rng.randint(2, 9)
    cases = [
        (
            f"{a}^{n}{b}",
            [f"{b}{a}^{n}", f"{b}\\cdot {a}^{{{n}}}"],
            [f"{a}{b}^{n}", f"{a}^{n + 1}{b}", f"{a}^{n}"],
        ),
        (
            rf"\sqrt{{{a}}}",
            [f"{a}^{{1/2}}", rf"{a}^{{\frac12}}", f"{a}^{{0.5}}"],
            [f"{a}^2", rf"\sqrt[3]{{{a}}}", f"{a}/2"],
        ),
        (
            rf"{n}^{{k+1}}",
            [rf"{n}\cdot {n}^k", rf"{n}^k\cdot {n}"],
            [rf"{n}^k+1", rf"{n}^k+{n}", rf"{n}^{{k-1}}"],
        ),
        (
            rf"({a}+{b})^2",
            [f"{a}^2+2{a}{b}+{b}^2", rf"({b}+{a})^2"],
            [f"{a}^2+{b}^2", f"({a}-{b})^2"],
        ),
        (
            rf"\frac{{1}}{{{a}}}+\frac{{1}}{{{b}}}",
            [rf"\frac{{{a}+{b}}}{{{a}{b}}}"],
            [rf"\frac{{2}}{{{a}+{b}}}", rf"\frac{{1}}{{{a}+{b}}}"],
        ),
        (f"{a}_1+{a}_2", [f"{a}_2+{a}_{{1}}"], [f"{a}_1+{a}_3", f"{a}_1-{a}_2"]),
        (rf"\sqrt{{{a}^2}}", [f"|{a}|"], [a, f"-{a}"]),
        (
            r"\frac{n(n+1)}{2}",
            [r"\frac{n^2+n}{2}", r"\binom{n+1}{2}"],
            [r"\frac{n(n-1)}{2}", r"\frac{n^2+1}{2}"],
        ),
        (
            rf"{n}{a}",
            [rf"{n}\cdot {a}", rf"{a}\cdot {n}"],
            [rf"{n}{b}", rf"{n + 1}{a}", f"{a}^{n}", f"{n}{a.upper()}"],
        ),
    ]
    reference, equal, wrong = rng.choice(cases)
    if rng.random() < 0.5:
        return Draft(reference, rng.choice(equal), True, "power")
    return Draft(reference, rng.choice(wrong), False, "power")


def calculus(rng: random.Random) -> Draft:
    n, a = rng.randint(2, 5), rng.randint(2, 7)
    total = a * (a + 1) // 2
    cases = [
        (
            rf"\frac{{x^{n + 1}}}{{{n + 1}}}+C",
            [
                rf"C+\frac{{1}}{{{n + 1}}}x^{{{n + 1}}}",
                rf"x^{n + 1}/{n + 1}+C",
                rf"\frac{{x^{n + 1}}}{{{n + 1}}}+c",
            ],
            [rf"\frac{{x^{n}}}{{{n}}}+C", rf"\frac{{x^{n + 1}}}{{{n + 1}}}", rf"x^{n + 1}+C"],
        ),
        (
            latex_number(Fraction(1, n + 1)),
            [rf"\int_0^1 x^{n}\,dx", rf"\int_0^1 x^{n} dx"],
            [rf"\int_0^1 x^{n + 1}\,dx", rf"\int_0^2 x^{n}\,dx"],
        ),
        (
            str(total),
            [rf"\sum_{{k=1}}^{{{a}}} k", rf"\sum_{{i=1}}^{{{a}}}i"],
            [rf"\sum_{{k=1}}^{{{a + 1}}} k", rf"\sum_{{k=0}}^{{{a - 1}}} k"],
        ),
        (
            rf"-\frac{{\cos {n}x}}{{{n}}}+C",
            [rf"C-\frac{{1}}{{{n}}}\cos({n}x)"],
            [rf"\frac{{\cos {n}x}}{{{n}}}+C", rf"-\cos {n}x+C"],
        ),
        (
            rf"{n}e^{{{n}x}}",
            [rf"{n}\exp({n}x)", rf"e^{{{n}x}}\cdot {n}"],
            [rf"e^{{{n}x}}", rf"{n}e^x"],
        ),
    ]
    reference, equal, wrong = rng.choice(cases)
    if rng.random() < 0.5:
        return Draft(reference, rng.choice(equal), True, "calculus")
    return Draft(reference, rng.choice(wrong), False, "calculus")


def equation(rng: random.Random) -> Draft:
    a, b, c = nonzero(rng, -7, 7), nonzero(rng, 2, 7), nonzero(rng, -12, 12)
    k = rng.choice([2, 3, -1, 5])
    standard = f"{linear(a, 'x', 0)}{'+' if b > 0 else '-'}{abs(b)}y={c}"
    kind = rng.randrange(3)
    if kind == 0:
        m, q = nonzero(rng, -6, 6), nonzero(rng, -9, 9)
        reference = f"y={linear(m, 'x', q)}"
        equal = [
            linear(m, "x", q),
            f"f(x)={linear(m, 'x', q)}",
            f"y-{linear(m, 'x', 0)}={q}" if m > 0 else f"y={q}{linear(m, 'x', 0)}",
            f"{linear(m, 'x', q)}=y",
            f"y = {q}{'+' if m > 0 else ''}{linear(m, 'x', 0)}",
        ]
        wrong = [
            f"y={linear(-m, 'x', q)}",
            f"y={linear(m, 'x', -q)}",
            linear(m + 1, "x", q),
            f"x={linear(m, 'y', q)}"
            if (m, q) not in ((-1, q),) and m not in (1, -1)
            else f"y={linear(m, 'x', q + 1)}",
        ]
    elif kind == 1:
        reference = standard
        scaled = f"{linear(a * k, 'x', 0)}{'+' if b * k > 0 else '-'}{abs(b * k)}y={c * k}"
        equal = [
            scaled,
            f"y={linear(Fraction(-a, b), 'x', Fraction(c, b))}",
            f"{standard.split('=')[0]}{-c:+d}=0",
        ]
        wrong = [
            f"{linear(a, 'x', 0)}{'+' if b > 0 else '-'}{abs(b)}y={c + 1}",
            f"{linear(-a, 'x', 0)}{'+' if b > 0 else '-'}{abs(b)}y={c}",
            f"y={linear(Fraction(a, b), 'x', Fraction(c, b))}",
        ]
    else:
        r = rng.randint(2, 9)
        reference = f"(x-{b})^2+(y+{abs(c)})^2={r * r}"
        constant = b * b + c * c - r * r
        equal = [
            f"x^2+y^2-{2 * b}x+{2 * abs(c)}y{constant:+d}=0"
            if constant
            else f"x^2+y^2-{2 * b}x+{2 * abs(c)}y=0",
            f"{r * r}=(x-{b})^2+(y+{abs(c)})^2",
        ]
        wrong = [
            f"(x-{b})^2+(y+{abs(c)})^2={r}",
            f"(x+{b})^2+(y+{abs(c)})^2={r * r}",
            f"(x-{b})^2+(y-{abs(c)})^2={r * r}",
        ]
    if rng.random() < 0.5:
        return Draft(reference, rng.choice(equal), True, "equation")
    return Draft(reference, rng.choice(wrong), False, "equation")


FAMILIES = {
    "polynomial": polynomial,
    "rational_function": rational_function,
    "surd": surd,
    "trigonometry": trigonometry,
    "logarithm": logarithm,
    "power": power,
    "calculus": calculus,
    "equation": equation,
}
