"""Families of words: multiple choice, text, infinities."""

from __future__ import annotations

import random

from rewardsvc_verifiers.math.generate.pair import Draft

_LETTERS = "ABCDE"
_TEXTS = [
    (
        r"\text{DNE}",
        ["does not exist", r"\text{does not exist}", r"\text{The limit does not exist}", "DNE"],
        ["0", r"\infty", r"\text{exists}"],
    ),
    (
        r"\text{no solution}",
        [r"\text{No solutions}", r"\emptyset", "There is no solution", r"\text{no real solutions}"],
        ["0", r"\text{infinitely many}", "1"],
    ),
    (r"\text{yes}", ["Yes", r"\text{Yes}", "yes."], ["No", r"\text{no}"]),
    (r"\text{false}", ["False", r"\text{False}"], ["True", r"\text{true}"]),
    ("east", [r"\text{East}", "East", r"\text{east}"], ["seat", "west", r"\text{north}"]),
    (
        r"\text{Tuesday}",
        ["Tuesday", "tuesday", r"\textbf{Tuesday}"],
        ["Thursday", r"\text{Monday}"],
    ),
    (r"\text{Evelyn}", ["Evelyn", r"\mathrm{Evelyn}"], ["Briana", r"\text{Evan}"]),
    (
        r"\text{parallelogram}",
        ["parallelogram", r"\text{a parallelogram}", "Parallelogram"],
        ["rectangle", r"\text{trapezoid}"],
    ),
    (r"\text{odd}", ["odd", r"\text{odd function}", "Odd"], ["even", r"\text{neither}"]),
    (
        r"\text{infinitely many}",
        [r"\text{infinitely many solutions}", "infinite"],
        [r"\text{no solution}", "2"],
    ),
    (r"\text{undefined}", ["undefined", r"\text{not defined}"], ["0", "1"]),
    (
        r"\text{all real numbers}",
        [r"\mathbb{R}", r"(-\infty,\infty)", "all reals"],
        [r"\emptyset", r"(0,\infty)", r"\mathbb{Z}"],
    ),
    (r"\text{ellipse}", ["ellipse", r"\text{an ellipse}"], ["hyperbola", r"\text{circle}"]),
    (
        r"\text{increasing}",
        ["increasing", r"\text{Increasing}"],
        ["decreasing", r"\text{constant}"],
    ),
]


def choice(rng: random.Random) -> Draft:
    letter = rng.choice(_LETTERS)
    other = rng.choice([x for x in _LETTERS if x != letter])
    number = rng.randint(2, 90)
    if rng.random() < 0.5:
        if rng.random() < 0.3:
            return Draft(
                rf"\textbf{{({letter})}}\ {number}",
                rng.choice([letter, f"({letter})", str(number), f"{letter}. {number}"]),
                True,
                "choice",
            )
        forms = [
            f"({letter})",
            rf"\text{{{letter}}}",
            rf"\textbf{{({letter})}}",
            f"{letter}.",
            f"{letter}) {number}",
            rf"\textbf{{({letter}) }}{number}",
            f"Option {letter}",
            f"({letter.lower()})",
            rf"\mathrm{{{letter}}}",
        ]
        return Draft(letter, rng.choice(forms), True, "choice")
    forms = [
        other,
        f"({other})",
        f"{letter} or {other}",
        rf"\text{{({other})}}",
        f"{letter}, {other}",
        "A, B, C, D, E",
        rf"\textbf{{({other})}}\ {number}",
        rf"{letter} \text{{ and }} {other}",
    ]
    return Draft(letter, rng.choice(forms), False, "choice")


def text(rng: random.Random) -> Draft:
    reference, equal, wrong = rng.choice(_TEXTS)
    if rng.random() < 0.5:
        return Draft(reference, rng.choice(equal), True, "text", False)
    return Draft(reference, rng.choice(wrong), False, "text", False)


def number_word(rng: random.Random) -> Draft:
    names = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
    ]
    value = rng.randint(1, 12)
    if rng.random() < 0.5:
        forms = [rf"\text{{{names[value]}}}", names[value], names[value].capitalize()]
        pair = (str(value), rng.choice(forms))
        return Draft(*(pair if rng.random() < 0.5 else pair[::-1]), True, "number word", False)
    return Draft(str(value), rf"\text{{{names[value - 1]}}}", False, "number word", False)


def infinity(rng: random.Random) -> Draft:
    sign = rng.choice(["", "-"])
    reference = rf"{sign}\infty"
    if rng.random() < 0.5:
        forms = [rf"{sign}\infty", f"{sign}∞", f"{sign}infinity", rf"{sign}\text{{infinity}}"] + (
            [r"+\infty"] if not sign else [r"\text{negative infinity}"]
        )
        return Draft(reference, rng.choice(forms), True, "infinity")
    other = "" if sign else "-"
    return Draft(
        reference,
        rng.choice([rf"{other}\infty", "0", str(rng.randint(1, 10**6)), r"\text{DNE}"]),
        False,
        "infinity",
    )


FAMILIES = {"choice": choice, "text": text, "number_word": number_word, "infinity": infinity}
