"""Families of collections: sets, tuples, labelled parts, intervals, matrices."""

from __future__ import annotations

import random
from fractions import Fraction

from rewardsvc_verifiers.math.generate.notation import finite_decimal, latex_number, nonzero
from rewardsvc_verifiers.math.generate.pair import Draft


def _values(rng: random.Random, count: int) -> list[Fraction]:
    found: list[Fraction] = []
    while len(found) < count:
        value = Fraction(rng.randint(-20, 20), rng.choice([1, 1, 1, 2, 4, 5]))
        if value not in found:
            found.append(value)
    return found


def _write(values: list[Fraction], rng: random.Random) -> list[str]:
    return [
        rng.choice([latex_number(v), latex_number(v, rng), finite_decimal(v) or latex_number(v)])
        for v in values
    ]


def number_set(rng: random.Random) -> Draft:
    values = _values(rng, rng.randint(2, 5))
    plain = [latex_number(v) for v in values]
    reference = rng.choice([r"\{" + ", ".join(plain) + r"\}", ", ".join(plain)])
    if rng.random() < 0.5:
        rng.shuffle(values)
        written = _write(values, rng)
        forms = [
            r"\{" + ",".join(written) + r"\}",
            ", ".join(written),
            r"\left\{" + ", ".join(written) + r"\right\}",
            ", ".join(written[:-1]) + r" \text{ and } " + written[-1],
            "x=" + r" \text{ or } x=".join(written),
            r"x\in\{" + ", ".join(written) + r"\}",
        ]
        return Draft(reference, rng.choice(forms), True, "set")
    wrong = list(values)
    choice = rng.randrange(3)
    if choice == 0:
        wrong[0] += Fraction(1, 2)
        if wrong[0] in values:
            return number_set(rng)
    elif choice == 1:
        wrong = wrong[:-1]
    else:
        extra = max(values) + 1
        wrong = [*wrong, extra]
    written = _write(wrong, rng)
    if reference.startswith("\\{") and rng.random() < 0.2 and len(values) > 1:
        return Draft(reference, "(" + ", ".join(reversed(plain)) + ")", False, "tuple for set")
    return Draft(
        reference,
        r"\{" + ", ".join(written) + r"\}"
        if rng.random() < 0.5 or len(written) == 1
        else ", ".join(written),
        False,
        "set",
    )


def plus_minus(rng: random.Random) -> Draft:
    a, b = nonzero(rng, -9, 9), rng.choice([2, 3, 5, 7, 10, 11])
    n = rng.randint(2, 20)
    if rng.random() < 0.5:
        reference, both = (
            rf"\pm {n}",
            [
                f"{n}, -{n}",
                rf"\{{-{n}, {n}\}}",
                f"x={n}, x=-{n}",
                rf"\pm{n}",
                f"-{n} and {n}",
                f"±{n}",
            ],
        )
        wrong = [str(n), f"-{n}", rf"\pm {n + 1}", f"{n}, {-n - 1}"]
    else:
        reference = rf"\frac{{{a}\pm\sqrt{{{b}}}}}{{2}}"
        both = [
            rf"\frac{{{a}+\sqrt{{{b}}}}}{{2}}, \frac{{{a}-\sqrt{{{b}}}}}{{2}}",
            rf"\frac{{{a}-\sqrt{{{b}}}}}{{2}} \text{{ and }} \frac{{{a}+\sqrt{{{b}}}}}{{2}}",
            rf"\frac{{{a}}}{{2}}\pm\frac{{\sqrt{{{b}}}}}{{2}}",
        ]
        wrong = [
            rf"\frac{{{a}+\sqrt{{{b}}}}}{{2}}",
            rf"\frac{{{-a}\pm\sqrt{{{b}}}}}{{2}}",
            rf"\frac{{{a}\pm\sqrt{{{b + 1}}}}}{{2}}",
            rf"{a}\pm\sqrt{{{b}}}",
        ]
    if rng.random() < 0.5:
        return Draft(reference, rng.choice(both), True, "plus-minus")
    return Draft(reference, rng.choice(wrong), False, "plus-minus")


def coordinates(rng: random.Random) -> Draft:
    values = _values(rng, rng.randint(2, 3))
    plain = "(" + ", ".join(latex_number(v) for v in values) + ")"
    if rng.random() < 0.5:
        written = _write(values, rng)
        forms = [
            "(" + ",".join(written) + ")",
            r"\left(" + ", ".join(written) + r"\right)",
            "(" + ",\\,".join(written) + ")",
        ]
        forms.append(r"\begin{pmatrix}" + r"\\".join(written) + r"\end{pmatrix}")
        forms.append(r"\langle " + ", ".join(written) + r"\rangle")
        names = "xyz"[: len(values)]
        forms.append(", ".join(f"{n}={w}" for n, w in zip(names, written, strict=True)))
        forms.append(f"({','.join(names)})=({','.join(written)})")
        return Draft(plain, rng.choice(forms), True, "tuple")
    wrong = list(values)
    if rng.random() < 0.5:
        wrong[0], wrong[1] = wrong[1], wrong[0]
    else:
        wrong[-1] += rng.choice([Fraction(1), Fraction(-1), Fraction(1, 2)])
    return Draft(plain, "(" + ", ".join(_write(wrong, rng)) + ")", False, "tuple")


def labelled(rng: random.Random) -> Draft:
    names = rng.choice(
        [
            ["x", "y"],
            ["a", "b"],
            ["w", "d"],
            ["m", "n", "k"],
            ["A", "B"],
            ["p", "q"],
            [r"\alpha", r"\beta"],
        ]
    )
    values = _values(rng, len(names))
    parts = [f"{n}={latex_number(v)}" for n, v in zip(names, values, strict=True)]
    reference = ", ".join(parts)
    if rng.random() < 0.5:
        written = [f"{n} = {w}" for n, w in zip(names, _write(values, rng), strict=True)]
        shuffled = list(written)
        rng.shuffle(shuffled)
        forms = [
            ", ".join(shuffled),
            " and ".join(shuffled),
            r" \text{ and } ".join(shuffled),
            "; ".join(shuffled),
            "(" + ", ".join(latex_number(v) for v in values) + ")",
            r"\begin{cases}" + r"\\".join(shuffled) + r"\end{cases}",
        ]
        return Draft(reference, rng.choice(forms), True, "labelled")
    if rng.random() < 0.5:
        wrong = [values[1], values[0], *values[2:]]
    else:
        wrong = [values[0] + 1, *values[1:]]
    written = [f"{n}={latex_number(v)}" for n, v in zip(names, wrong, strict=True)]
    return Draft(reference, ", ".join(written), False, "labelled")


_BELOW = {"(": "<", "[": r"\le ", ")": "<", "]": r"\leq "}
_ABOVE = {"(": ">", "[": r"\ge ", ")": ">", "]": r"\geq "}


def interval(rng: random.Random) -> Draft:
    low, high = sorted(_values(rng, 2))
    left, right = rng.choice("(["), rng.choice(")]")
    a, b = latex_number(low), latex_number(high)
    name = rng.choice("xtk")
    kind = rng.randrange(4)
    if kind == 0:
        reference = f"{left}{a},{b}{right}"
        first = "<" if left == "(" else r"\le "
        second = "<" if right == ")" else r"\leq "
        mirrored = f"{b}{_ABOVE[right]}{name}{_ABOVE[left]}{a}"
        equal = [
            f"{a}{first}{name}{second}{b}",
            mirrored,
            rf"{name}\in{left}{a},{b}{right}",
            rf"\{{{name} \mid {a}{first}{name}{second}{b}\}}",
            rf"\left{left}{a}, {b}\right{right}",
        ]
        other_left = "[" if left == "(" else "("
        wrong = [
            f"{other_left}{a},{b}{right}",
            f"{left}{a},{latex_number(high + 1)}{right}",
            f"{name}{second}{b}",
            f"{a}{'<=' if left == '(' else '<'}{name}{second}{b}",
        ]
    elif kind == 1:
        reference = f"{name}{_ABOVE[left]}{a}"
        equal = [
            rf"{left}{a},\infty)",
            f"{a}{_BELOW[left]}{name}",
            rf"\{{{name}:{name}{_ABOVE[left]}{a}\}}",
            rf"{name}\in{left}{a},\infty)",
        ]
        wrong = [
            rf"(-\infty,{a}{']' if left == '[' else ')'}",
            rf"{'[' if left == '(' else '('}{a},\infty)",
            rf"{left}{latex_number(low + 1)},\infty)",
        ]
    elif kind == 2:
        reference = rf"(-\infty,{a}) \cup ({b},\infty)"
        equal = [
            rf"{name}<{a}\text{{ or }}{name}>{b}",
            rf"({b},\infty)\cup(-\infty,{a})",
            rf"x\in(-\infty,{a})\cup({b},\infty)",
        ]
        wrong = [
            rf"({a},{b})",
            rf"(-\infty,{a}] \cup [{b},\infty)",
            rf"{name}>{b}",
            rf"(-\infty,{b}) \cup ({a},\infty)",
        ]
    else:
        k = rng.choice([2, 3, -2, -3])
        sign = "<" if k > 0 else ">"
        reference = f"{name}<{a}"
        equal = [f"{k}{name}{sign}{latex_number(low * k)}", rf"(-\infty,{a})", f"{a}>{name}"]
        wrong = [
            f"{k}{name}{'>' if k > 0 else '<'}{latex_number(low * k)}",
            rf"{name}\le {a}",
            f"{name}>{a}",
            rf"(-\infty,{a}]",
        ]
    if rng.random() < 0.5:
        return Draft(reference, rng.choice(equal), True, "interval", False)
    return Draft(reference, rng.choice(wrong), False, "interval", False)


def domain(rng: random.Random) -> Draft:
    a = nonzero(rng, -9, 9)
    reference = rf"(-\infty,{a})\cup({a},\infty)"
    if rng.random() < 0.5:
        forms = [
            rf"x\ne {a}",
            rf"\mathbb{{R}}\setminus\{{{a}\}}",
            rf"\text{{all real numbers except }}{a}",
            rf"\{{x \mid x\neq {a}\}}",
            rf"x\in\mathbb{{R}}, x\neq {a}",
        ]
        return Draft(reference, rng.choice(forms), True, "domain", False)
    wrong = [rf"x\ne {a + 1}", r"\mathbb{R}", rf"(-\infty,{a}]\cup[{a},\infty)", rf"x>{a}"]
    return Draft(reference, rng.choice(wrong), False, "domain", False)


def matrix(rng: random.Random) -> Draft:
    rows, columns = rng.randint(2, 3), rng.randint(2, 3)
    cells = [
        [Fraction(rng.randint(-9, 9), rng.choice([1, 1, 2])) for _ in range(columns)]
        for _ in range(rows)
    ]

    def write(entries: list[list[Fraction]], name: str) -> str:
        body = r" \\ ".join(
            " & ".join(
                rng.choice([latex_number(v), finite_decimal(v) or latex_number(v)]) for v in row
            )
            for row in entries
        )
        return rf"\begin{{{name}}} {body} \end{{{name}}}"

    reference = write(cells, "pmatrix")
    if rng.random() < 0.5:
        nested = (
            "["
            + ",".join("[" + ",".join(latex_number(v) for v in row) + "]" for row in cells)
            + "]"
        )
        forms = [
            write(cells, "bmatrix"),
            write(cells, "pmatrix"),
            r"\left"
            + "("
            + write(cells, "array").replace(
                r"\begin{array}", r"\begin{array}{" + "c" * columns + "}"
            )
            + r"\right)",
            nested,
        ]
        return Draft(reference, rng.choice(forms), True, "matrix", False)
    wrong = [list(row) for row in cells]
    if rng.random() < 0.5 and rows == columns:
        wrong = [list(column) for column in zip(*cells, strict=True)]
        if wrong == cells:
            wrong[0][0] += 1
    else:
        wrong[rng.randrange(rows)][rng.randrange(columns)] += 1
    return Draft(
        reference, write(wrong, rng.choice(["pmatrix", "bmatrix"])), False, "matrix", False
    )


def family(rng: random.Random) -> Draft:
    n = rng.choice([2, 3, 4, 6])
    reference = rf"\frac{{\pi}}{{{n}}}+k\pi, k\in\mathbb{{Z}}"
    if rng.random() < 0.5:
        forms = [
            rf"\frac{{\pi}}{{{n}}}+n\pi, n\in\mathbb{{Z}}",
            rf"k\pi+\frac{{\pi}}{{{n}}},\ k\in\mathbb{{Z}}",
            rf"x=\frac{{\pi}}{{{n}}}+\pi k \text{{ for }} k\in\mathbb{{Z}}",
        ]
        return Draft(reference, rng.choice(forms), True, "renamed")
    forms = [
        rf"\frac{{\pi}}{{{n + 1}}}+k\pi, k\in\mathbb{{Z}}",
        rf"-\frac{{\pi}}{{{n}}}+k\pi, k\in\mathbb{{Z}}" if n != 2 else r"\frac{\pi}{5}+k\pi",
        rf"\frac{{\pi}}{{{n}}}+\frac{{k\pi}}{{3}}, k\in\mathbb{{Z}}",
    ]
    return Draft(reference, rng.choice(forms), False, "family")


FAMILIES = {
    "set": number_set,
    "plus_minus": plus_minus,
    "tuple": coordinates,
    "labelled": labelled,
    "interval": interval,
    "domain": domain,
    "matrix": matrix,
    "family": family,
}
