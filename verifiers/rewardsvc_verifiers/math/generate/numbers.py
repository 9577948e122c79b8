"""Families of numbers: integers to base n."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction

from rewardsvc_verifiers.math.generate.notation import (
    finite_decimal,
    grouped,
    latex_number,
    nonzero,
    rounded,
)
from rewardsvc_verifiers.math.generate.pair import Draft


def integer(rng: random.Random) -> Draft:
    value = rng.choice([rng.randint(-99, 99), rng.randint(1000, 10**7), rng.randint(10**4, 10**12)])
    if rng.random() < 0.5:
        forms = [str(value), f"{value}.0", f"x = {value}", rf"\text{{{value}}}", f"{value}."]
        if abs(value) >= 1000:
            forms += [grouped(value, s) for s in (",", r"\,", "{,}", r"\!,") if s != r"\!,"]
        if value % 2 == 0 and value > 0:
            forms.append(rf"2\cdot {value // 2}")
        return Draft(str(value), rng.choice(forms), True, "notation")
    near = [value + rng.choice([-1, 1, 10]), -value or 1, value * 10 or 1]
    if abs(value) >= 1000:
        near += [int(str(value)[:-1]), value + 1000]
        shifted = f"{abs(value) // 1000}.{abs(value) % 1000:03d}"
        return Draft(
            grouped(value, ","), rng.choice([str(n) for n in near] + [shifted]), False, "near"
        )
    return Draft(str(value), str(rng.choice(near)), False, "near") if value else integer(rng)


def rational(rng: random.Random) -> Draft:
    value = Fraction(nonzero(rng, -60, 60), rng.randint(2, 24))
    if value.denominator == 1:
        return rational(rng)
    top, bottom = value.numerator, value.denominator
    if rng.random() < 0.5:
        factor = rng.randint(2, 6)
        sign = "-" if value < 0 else ""
        forms = [
            f"{top}/{bottom}",
            rf"\frac{{{top * factor}}}{{{bottom * factor}}}",
            rf"\frac{{{-top}}}{{{-bottom}}}",
            rf"{sign}\frac{{{abs(top)}}}{{{bottom}}}",
            rf"{top}\div {bottom}",
            rf"{{{top} \over {bottom}}}",
        ]
        if abs(value) > 1:
            whole, rest = divmod(abs(top), bottom)
            forms += [
                rf"{sign}{whole}\frac{{{rest}}}{{{bottom}}}",
                f"{sign}{whole} {rest}/{bottom}",
            ]
        decimal = finite_decimal(value)
        if decimal is not None:
            forms.append(decimal)
        return Draft(latex_number(value, rng), rng.choice(forms), True, "notation")
    near = [Fraction(bottom, top), -value, value + Fraction(1, bottom), value + 1]
    wrong = rng.choice([n for n in near if n != value])
    if abs(value) > 1 and rng.random() < 0.3:
        whole, rest = divmod(abs(top), bottom)
        return Draft(
            latex_number(value), rf"{whole + 1}\frac{{{rest}}}{{{bottom}}}", False, "mixed"
        )
    return Draft(latex_number(value, rng), latex_number(wrong, rng), False, "near")


def repeating(rng: random.Random) -> Draft:
    period = str(rng.randint(1, 9)) if rng.random() < 0.5 else f"{rng.randint(1, 98):02d}"
    if len(period) == 2 and period[0] == period[1]:
        return repeating(rng)
    fixed = "" if rng.random() < 0.6 else str(rng.randint(0, 9))
    value = Fraction(
        int((fixed or "0") + period) - int(fixed or "0"),
        0 + (10 ** len(period) - 1) * 10 ** len(fixed),
    )
    if fixed:
        value = Fraction(int(fixed), 10) + Fraction(int(period), 10 * (10 ** len(period) - 1))
    else:
        value = Fraction(int(period), 10 ** len(period) - 1)
    written = [
        rf"0.{fixed}\overline{{{period}}}",
        f"0.{fixed}({period})",
        f"0.{fixed}{period * 4}...",
    ]
    if rng.random() < 0.5:
        return Draft(latex_number(value), rng.choice(written), True, "repeating", False)
    wrong = rng.choice([f"0.{fixed}{period}", rf"0.{fixed}\overline{{{int(period) % 9 + 1}}}"])
    if Fraction(int(period) % 9 + 1, 9) == value:
        wrong = f"0.{fixed}{period}"
    return Draft(rng.choice(written[:1]), wrong, False, "repeating", False)


def decimal(rng: random.Random) -> Draft:
    places = rng.randint(1, 4)
    value = Fraction(nonzero(rng, -(10**6), 10**6), 10**places)
    text = finite_decimal(value)
    if text is None or "." not in text:
        return decimal(rng)
    if rng.random() < 0.5:
        forms = [text + "0", latex_number(value), latex_number(value, rng)]
        if text.lstrip("-").startswith("0."):
            forms.append(text.replace("0.", ".", 1))
        return Draft(text, rng.choice(forms), True, "notation")
    step = Fraction(1, 10 ** (len(text.split(".")[1])))
    wrong = rng.choice([value + step, value - step, value * 10, -value, value / 10])
    return Draft(text, finite_decimal(wrong) or latex_number(wrong), False, "last place")


_PI = Fraction(314159265358979323846264338327950288, 10**35)
_IRRATIONALS: list[tuple[str, Callable[[int], Fraction]]] = [
    (r"\sqrt{{{n}}}", lambda n: _root(n, 2)),
    (r"{n}\pi", lambda n: n * _PI),
    (r"\frac{{\pi}}{{{n}}}", lambda n: _PI / n),
    (r"\sqrt[3]{{{n}}}", lambda n: _root(n, 3)),
    (r"{n}\sqrt{{2}}", lambda n: n * _root(2, 2)),
    (r"\frac{{{n}}}{{7}}", lambda n: Fraction(n, 7)),
    (r"\frac{{\sqrt{{{n}}}}}{{3}}", lambda n: _root(n, 2) / 3),
]


def _root(value: int, degree: int) -> Fraction:
    """The root to 30 places, by integer bisection."""
    scaled = value * 10 ** (30 * degree)
    low, high = 0, 10**40
    while low < high:
        middle = (low + high + 1) // 2
        if middle**degree <= scaled:
            low = middle
        else:
            high = middle - 1
    return Fraction(low, 10**30)


def rounding(rng: random.Random) -> Draft:
    while True:
        template, evaluate = rng.choice(_IRRATIONALS)
        n = rng.randint(2, 60)
        value = evaluate(n)
        if ((value * 10**6).denominator != 1 and (value * 7).denominator != 1) or (
            "7" in template and n % 7
        ):
            break
    exact = template.format(n=n)
    digits = rng.randint(3, 6)
    good = rounded(value, digits)
    if "." not in good:
        return rounding(rng)
    if rng.random() < 0.5:
        kind = rng.randrange(3)
        if kind == 0:
            return Draft(good, exact, True, "exact answer")
        if kind == 1:
            return Draft(good, rounded(value, digits + 3), True, "more digits")
        return Draft(exact, rounded(value, max(4, digits)), True, "rounded answer")
    places = len(good.split(".")[1])
    off = Fraction(good) + rng.choice([-2, 1, 2, 5]) * Fraction(1, 10**places)
    wrong = finite_decimal(off) or good + "9"
    wrong = rounded(off, digits) if "." in rounded(off, digits) else wrong
    if abs(Fraction(wrong) - value) <= Fraction(1, 2 * 10 ** len(wrong.split(".")[-1])):
        return rounding(rng)
    kind = rng.randrange(3)
    if kind == 0:
        return Draft(exact, wrong, False, "wrong digit")
    if kind == 1:
        return Draft(good, wrong, False, "wrong digit")
    return Draft(exact, rounded(value, 2), False, "too few digits")


def percent(rng: random.Random) -> Draft:
    value = Fraction(
        rng.choice([5, 10, 12, 15, 20, 24, 25, 30, 35, 40, 45, 60, 64, 75, 80, 120, 150, 7, 3]), 1
    )
    if rng.random() < 0.2:
        value += Fraction(1, 2)
    text = finite_decimal(value) or ""
    reference = rf"{text}\%"
    if rng.random() < 0.5:
        forms = [
            rf"{text} \%",
            f"{text}%",
            latex_number(value / 100),
            finite_decimal(value / 100) or text,
            text,
            rf"{text}\text{{ percent}}",
            f"{text} percent",
        ]
        return Draft(reference, rng.choice(forms), True, "notation")
    near = [
        rf"{finite_decimal(value + 1)}\%",
        rf"{finite_decimal(value / 10)}\%",
        finite_decimal(value / 10) or "",
        rf"-{text}\%",
    ]
    if rng.random() < 0.3:
        return Draft(text, rf"{text}\%", False, "sign added")
    return Draft(reference, rng.choice(near), False, "near")


def scientific(rng: random.Random) -> Draft:
    mantissa = Fraction(rng.randint(11, 99), 10)
    exponent = nonzero(rng, -25, 25)
    text = finite_decimal(mantissa) or ""
    reference = rf"{text}\times10^{{{exponent}}}"
    if rng.random() < 0.5:
        forms = [
            f"{text}e{exponent}",
            f"{text}E{exponent}",
            rf"{text} \cdot 10^{{{exponent}}}",
            rf"{text}0 \times 10^{{{exponent}}}"
            if "." in text
            else rf"{text} \times10^{exponent}"
            if 0 < exponent < 10
            else reference,
            f"{text}*10^{exponent}" if exponent > 0 else f"{text}*10^({exponent})",
            rf"{finite_decimal(mantissa * 10)}\times 10^{{{exponent - 1}}}",
        ]
        if 0 < exponent <= 8:
            forms.append(str(int(mantissa * 10**exponent)))
        if -4 <= exponent < 0:
            plain = finite_decimal(mantissa / 10**-exponent)
            if plain:
                forms.append(plain)
        return Draft(reference, rng.choice(forms), True, "notation")
    near = [
        rf"{text}\times10^{{{exponent + 1}}}",
        rf"{text}\times10^{{{-exponent}}}",
        rf"{finite_decimal(mantissa + Fraction(1, 10))}\times10^{{{exponent}}}",
        "0.0",
        rf"-{text}\times10^{{{exponent}}}",
    ]
    return Draft(reference, rng.choice(near), False, "near")


_UNITS = [
    ("cm", "centimeters", "m", 100),
    ("m", "meters", "km", 1000),
    ("g", "grams", "kg", 1000),
    ("minutes", "min", "hours", 60),
    ("inches", "in", "feet", 12),
    ("mL", "milliliters", "L", 1000),
    ("mm", "millimeters", "cm", 10),
    ("seconds", "s", "minutes", 60),
    ("cents", "cents", "dollars", 100),
]
_DERIVED = [
    (r"\text{ m/s}", " meters per second"),
    (r"\text{ cm}^2", r"\text{ square centimeters}"),
    (r"\text{ m}^3", r"\text{ cubic meters}"),
    (r"\text{ km/h}", r"\text{ kilometers per hour}"),
    (r"\text{ m/s}^2", r"\,\mathrm{m/s^2}"),
    (r"\text{ square units}", r"\text{ units}^2"),
    (r"\text{ apples}", " apples"),
    (r"\text{ students}", r"\text{ students}"),
]


def quantity(rng: random.Random) -> Draft:
    value = rng.randint(2, 400)
    if rng.random() < 0.3:
        unit, other = rng.choice(_DERIVED)
        reference = f"{value}{unit}"
        if rng.random() < 0.5:
            return Draft(
                reference,
                rng.choice([f"{value}{other}", str(value), f"{value}{unit}"]),
                True,
                "unit",
            )
        wrong = rng.choice(
            [
                f"{value + 1}{unit}",
                str(value * 10),
                f"{value}{unit.replace('m', 'k', 1)}" if "km" in unit else str(value + 2),
            ]
        )
        return Draft(reference, wrong, False, "value")
    small, name, large, factor = rng.choice(_UNITS)
    reference = rf"{value}\text{{ {small}}}"
    if rng.random() < 0.5:
        converted = finite_decimal(Fraction(value, factor))
        forms = [
            f"{value} {small}",
            str(value),
            rf"{value}\ \text{{{name}}}",
            rf"{value}\,\mathrm{{{small}}}",
        ]
        if converted is not None:
            forms += [rf"{converted}\text{{ {large}}}"] * 2
        return Draft(reference, rng.choice(forms), True, "unit")
    wrong = rng.choice(
        [
            rf"{value}\text{{ {large}}}",
            rf"{value + 1}\text{{ {small}}}",
            str(value * factor),
            rf"{value * 10}\text{{ {small}}}",
        ]
    )
    return Draft(reference, wrong, False, "unit")


def money(rng: random.Random) -> Draft:
    cents = rng.randint(100, 500000)
    text = f"{cents // 100}.{cents % 100:02d}"
    reference = rf"\${text}"
    if rng.random() < 0.5:
        forms = [
            text,
            rf"{text}\text{{ dollars}}",
            f"{text} dollars",
            rf"\${cents // 100:,}.{cents % 100:02d}",
            rf"\$ {text}",
            f"${text}",
            rf"{cents}\text{{ cents}}",
        ]
        return Draft(reference, rng.choice(forms), True, "money")
    wrong = cents + rng.choice([1, 10, 100, -1])
    return Draft(
        reference,
        rng.choice(
            [rf"\${wrong // 100}.{wrong % 100:02d}", rf"\${cents}", rf"{cents + 1}\text{{ cents}}"]
        ),
        False,
        "money",
    )


def clock(rng: random.Random) -> Draft:
    hour, minute = rng.randint(1, 11), rng.randint(0, 59)
    half = rng.choice(["a", "p"])
    reference = rf"{hour}:{minute:02d}\text{{ {half}.m.}}"
    if rng.random() < 0.5:
        late = hour + 12 if half == "p" else hour
        forms = [
            f"{hour}:{minute:02d} {half.upper()}M",
            f"{hour}:{minute:02d} {half}.m.",
            rf"{hour}:{minute:02d}\text{{ {half.upper()}.M.}}",
            rf"{hour}\text{{:}}{minute:02d} \text{{ {half}m}}",
        ]
        if half == "p":
            forms.append(f"{late}:{minute:02d}")
        return Draft(reference, rng.choice(forms), True, "time")
    other = "p" if half == "a" else "a"
    return Draft(
        reference,
        rng.choice(
            [
                f"{hour}:{minute:02d} {other}.m.",
                f"{hour}:{(minute + 5) % 60:02d} {half}.m.",
                f"{hour % 11 + 1}:{minute:02d} {half}.m.",
            ]
        ),
        False,
        "time",
    )


def ratio(rng: random.Random) -> Draft:
    a, b = rng.randint(1, 20), rng.randint(1, 20)
    if a == b:
        return ratio(rng)
    k = rng.randint(2, 5)
    if rng.random() < 0.5:
        forms = [
            f"{a} : {b}",
            f"{a * k}:{b * k}",
            rf"\frac{{{a}}}{{{b}}}",
            rf"{a}\text{{ to }}{b}",
            rf"{a}\colon {b}",
            rf"{a}\text{{:}}{b}",
        ]
        return Draft(f"{a}:{b}", rng.choice(forms), True, "ratio")
    return Draft(
        f"{a}:{b}",
        rng.choice([f"{b}:{a}", f"{a}:{b + 1}", f"{a + b}:{b}", rf"\frac{{{b}}}{{{a}}}"]),
        False,
        "ratio",
    )


def angle(rng: random.Random) -> Draft:
    degrees = rng.choice(
        [15, 18, 20, 24, 30, 36, 40, 45, 60, 72, 75, 90, 108, 120, 135, 150, 210, 270]
    )
    radians = Fraction(degrees, 180)
    top = "" if radians.numerator == 1 else str(radians.numerator)
    as_pi = rf"\frac{{{top}\pi}}{{{radians.denominator}}}"
    if radians.denominator == 1:
        as_pi = rf"{top}\pi"
    reference = rf"{degrees}^\circ"
    if rng.random() < 0.5:
        forms = [
            f"{degrees}°",
            rf"{degrees}^{{\circ}}",
            rf"{degrees}\text{{ degrees}}",
            as_pi,
            str(degrees),
            rf"{degrees} degrees",
        ]
        return Draft(reference, rng.choice(forms), True, "angle")
    wrong = rng.choice(
        [
            rf"{degrees + 5}^\circ",
            rf"\frac{{{top}\pi}}{{{radians.denominator + 1}}}",
            str(degrees + 10),
            rf"{degrees}\pi",
        ]
    )
    return Draft(reference, wrong, False, "angle")


_BASE_NAMES = {
    2: "two",
    3: "three",
    4: "four",
    5: "five",
    6: "six",
    7: "seven",
    8: "eight",
    9: "nine",
}


def base_n(rng: random.Random) -> Draft:
    base = rng.randint(2, 9)
    digits = str(rng.randint(1, base - 1)) + "".join(
        str(rng.randint(0, base - 1)) for _ in range(rng.randint(1, 5))
    )
    reference = f"{digits}_{base}"
    if rng.random() < 0.5:
        return Draft(
            reference,
            rng.choice(
                [
                    f"{digits}_{{{base}}}",
                    rf"{digits}_{{\text{{{_BASE_NAMES[base]}}}}}",
                    f"({digits})_{base}",
                    rf"{digits}_\text{{{_BASE_NAMES[base]}}}",
                ]
            ),
            True,
            "base",
        )
    other = base + 1
    swapped = digits[:-1] + str((int(digits[-1]) + 1) % base)
    return Draft(
        reference,
        rng.choice([f"{digits}_{{{other}}}", f"{swapped}_{{{base}}}", f"{digits}0_{base}"]),
        False,
        "base",
    )


def complex_number(rng: random.Random) -> Draft:
    a, b = nonzero(rng, -12, 12), nonzero(rng, -12, 12)
    while abs(b) == 1:
        b = nonzero(rng, -12, 12)
    reference = f"{a}{b:+d}i"
    if rng.random() < 0.5:
        c, d = nonzero(rng, -4, 4), nonzero(rng, -4, 4)
        product = f"({c}{d:+d}i)({a}{b:+d}i)"
        forms = [f"{b}i{a:+d}", f"{a} {'+' if b > 0 else '-'} {abs(b)} i"]
        if rng.random() < 0.4:
            return Draft(f"{a * c - b * d}{a * d + b * c:+d}i", product, True, "product")
        return Draft(reference, rng.choice(forms), True, "complex")
    return Draft(
        reference,
        rng.choice(
            [f"{a}{-b:+d}i", f"{-a}{b:+d}i", f"{a}{b + 1:+d}i"]
            + ([f"{b}{a:+d}i"] if a != b else [])
        ),
        False,
        "complex",
    )


FAMILIES = {
    "integer": integer,
    "rational": rational,
    "repeating": repeating,
    "decimal": decimal,
    "rounding": rounding,
    "percent": percent,
    "scientific": scientific,
    "quantity": quantity,
    "money": money,
    "time": clock,
    "ratio": ratio,
    "angle": angle,
    "base_n": base_n,
    "complex": complex_number,
}
