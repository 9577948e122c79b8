"""Ways to write the same thing: layout that changes nothing."""

from __future__ import annotations

import random
from fractions import Fraction

Number = int | Fraction


def decorate(text: str, rng: random.Random) -> str:
    """The answer with layout that models add: spacing, delimiters, another fraction command."""
    choice = rng.randrange(12)
    if choice == 0:
        return f"${text}$"
    if choice == 1:
        return text + "."
    if choice == 2:
        return text.replace("\\frac", "\\dfrac")
    if choice == 3:
        return text.replace("\\frac", "\\tfrac")
    plain = not any(mark in text for mark in ("\\left", "\\{", "[", "]"))
    if choice == 4 and plain and text.count("(") == text.count(")") > 0:
        return text.replace("(", "\\left(").replace(")", "\\right)")
    if choice == 5:
        return f"\\displaystyle {text}"
    if choice == 6:
        return f" {text} "
    if choice == 7:
        return text.replace(", ", ",\\ ")
    if choice == 8:
        return f"\\({text}\\)"
    return text


def latex_number(value: Number, rng: random.Random | None = None) -> str:
    r"""An integer, or a fraction as \frac."""
    value = Fraction(value)
    if value.denominator == 1:
        return str(value.numerator)
    sign = "-" if value < 0 else ""
    top, bottom = abs(value.numerator), value.denominator
    if rng is not None and rng.random() < 0.25:
        return f"{sign}{top}/{bottom}"
    return f"{sign}\\frac{{{top}}}{{{bottom}}}"


def finite_decimal(value: Fraction) -> str | None:
    """The exact decimal expansion when it is finite and short."""
    for places in range(7):
        scaled = value * 10**places
        if scaled.denominator == 1:
            digits = str(abs(scaled.numerator)).rjust(places + 1, "0")
            sign = "-" if value < 0 else ""
            if places == 0:
                return sign + digits
            return f"{sign}{digits[:-places]}.{digits[-places:]}"
    return None


def rounded(value: Fraction, digits: int) -> str:
    """The value rounded half up to that many significant digits, without an exponent."""
    sign = "-" if value < 0 else ""
    value = abs(value)
    exponent = 0
    while value * Fraction(10) ** -exponent >= 10:
        exponent += 1
    while value * Fraction(10) ** -exponent < 1:
        exponent -= 1
    places = digits - 1 - exponent
    scaled = value * Fraction(10) ** places
    whole = int(scaled + Fraction(1, 2))
    if places <= 0:
        return sign + str(whole * 10**-places)
    text = str(whole).rjust(places + 1, "0")
    return f"{sign}{text[:-places]}.{text[-places:]}"


def grouped(value: int, separator: str) -> str:
    """A whole number with a separator between groups of three digits."""
    return f"{value:,}".replace(",", separator)


def linear(slope: Number, name: str, offset: Number) -> str:
    """slope * name + offset, in LaTeX."""
    slope, offset = Fraction(slope), Fraction(offset)
    if slope == 1:
        head = name
    elif slope == -1:
        head = f"-{name}"
    else:
        head = latex_number(slope) + name
    if slope == 0:
        return latex_number(offset)
    if offset == 0:
        return head
    return f"{head}{'+' if offset > 0 else '-'}{latex_number(abs(offset))}"


def nonzero(rng: random.Random, low: int, high: int) -> int:
    """A random whole number that is not zero."""
    while True:
        value = rng.randint(low, high)
        if value:
            return value
