"""Units of measure and money: what a unit means, and whether two agree.

A unit is a factor to base units and the exponents of those. Unknown words ("apples") are
units of their own kind: they agree with themselves, singular or plural, and with nothing
known. Temperatures are not converted.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

Dimension = tuple[tuple[str, int], ...]


class Unit(NamedTuple):
    """`factor` times the base units; `label` for units that no table knows."""

    dimension: Dimension
    factor: Fraction
    label: str = ""

    @property
    def known(self) -> bool:
        """Whether every word of it is in the table."""
        return not self.label


def _table() -> dict[str, tuple[str, Fraction]]:
    entries: dict[str, tuple[str, Fraction]] = {}

    def add(base: str, factor: Fraction | int | str, names: str) -> None:
        for name in names.split():
            entries[name.replace("_", " ")] = (base, Fraction(factor))

    add("length", 1, "m meter meters metre metres")
    for prefix, long, power in (
        ("k", "kilo", 1000), ("c", "centi", "1/100"), ("d", "deci", "1/10"),
        ("m", "milli", "1/1000"), ("u", "micro", "1/1000000"), ("n", "nano", "1/1000000000"),
    ):  # fmt: skip
        factor = Fraction(power)
        for short, words, base, scale in (
            ("m", "meter meters metre metres", "length", Fraction(1)),
            ("L", "liter liters litre litres", "volume", Fraction(1, 1000)),
            ("g", "gram grams gramme grammes", "mass", Fraction(1, 1000)),
            ("s", "second seconds", "time", Fraction(1)),
            ("W", "watt watts", "power", Fraction(1)),
            ("J", "joule joules", "energy", Fraction(1)),
            ("N", "newton newtons", "force", Fraction(1)),
            ("Pa", "pascal pascals", "pressure", Fraction(1)),
            ("V", "volt volts", "voltage", Fraction(1)),
            ("A", "ampere amperes amp amps", "current", Fraction(1)),
            ("Hz", "hertz", "frequency", Fraction(1)),
            ("mol", "mole moles", "amount", Fraction(1)),
        ):
            entries[prefix + short] = (base, factor * scale)
            for word in words.split():
                entries[long + word] = (base, factor * scale)
    entries.pop("dg", None)
    add("volume", "1/1000000", "ml cc milliliter milliliters")
    add("volume", "1/1000", "l L liter liters litre litres")
    add("length", "254/10000", "in inch inches")
    add("length", "3048/10000", "ft foot feet")
    add("length", "9144/10000", "yd yard yards")
    add("length", "1609344/1000", "mi mile miles")
    add("mass", "1/1000", "g gram grams gm gms")
    add("mass", 1, "kgs")
    add("mass", 1000, "ton_(metric) tonne tonnes")
    add("mass", "45359237/100000000", "lb lbs pound pounds")
    add("mass", "45359237/1600000000", "oz ounce ounces")
    add("time", 1, "s sec secs second seconds")
    add("time", 60, "min mins minute minutes")
    add("time", 3600, "h hr hrs hour hours")
    add("time", 86400, "day days")
    add("time", 604800, "week weeks wk wks")
    add("year", 1, "year years yr yrs")
    add("year", "1/12", "month months")
    add("year", 10, "decade decades")
    add("year", 100, "century centuries")
    add("energy", 1, "J joule joules")
    add("energy", 3600000, "kWh")
    add("energy_electronvolt", 1, "eV")
    add("energy_calorie", 1, "cal calorie calories")
    add("energy_calorie", 1000, "kcal")
    add("power", 1, "W watt watts")
    add("force", 1, "N newton newtons")
    add("pressure", 1, "Pa pascal pascals")
    add("pressure", 101325, "atm")
    add("pressure", 100000, "bar")
    add("voltage", 1, "V volt volts")
    add("current", 1, "A amp amps ampere amperes")
    add("resistance", 1, "ohm ohms Omega")
    add("frequency", 1, "Hz hertz")
    add("amount", 1, "mol mole moles")
    add("temperature_kelvin", 1, "K kelvin kelvins")
    add("temperature_celsius", 1, "celsius Celsius")
    add("temperature_fahrenheit", 1, "fahrenheit Fahrenheit")
    add("speed", "1609344/3600000", "mph")
    add("speed", "1000/3600", "kph kmh")
    add("area_square_meter", 10000, "hectare hectares ha")
    add("area_square_meter", "40468564224/10000000", "acre acres")
    add("data", 1, "bit bits")
    add("data", 8, "byte bytes")
    add("dollar", 1, "dollar dollars USD usd bucks")
    add("dollar", "1/100", "cent cents penny pennies")
    add("euro", 1, "euro euros EUR")
    add("pound_sterling", 1, "GBP sterling")
    add("yen", 1, "yen JPY")
    add("rupee", 1, "rupee rupees INR Rs")
    add("radian", 1, "radian radians rad rads")
    return entries


_KNOWN: Final = _table()
#: Compound bases written in terms of others, so that N*m agrees with J and m^2 with hectares.
_EXPANSIONS: Final[dict[str, tuple[tuple[str, int], ...]]] = {
    "volume": (("length", 3),),
    "area_square_meter": (("length", 2),),
    "speed": (("length", 1), ("time", -1)),
    "force": (("mass", 1), ("length", 1), ("time", -2)),
    "energy": (("mass", 1), ("length", 2), ("time", -2)),
    "power": (("mass", 1), ("length", 2), ("time", -3)),
    "pressure": (("mass", 1), ("length", -1), ("time", -2)),
    "frequency": (("time", -1),),
}
_POWERS: Final = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}
SCALES: Final = {
    "hundred": 100, "dozen": 12, "dozens": 12, "thousand": 1000, "million": 10**6,
    "millions": 10**6, "mil": 10**6, "billion": 10**9, "billions": 10**9, "bn": 10**9,
    "trillion": 10**12,
}  # fmt: skip
#: Single letters that are read as units only after a space, and only when units are expected.
LETTER_UNITS: Final = frozenset(["m", "s", "g", "h", "L", "l", "N", "J", "W", "V", "A", "K"])
_IGNORED: Final = frozenset({"of", "the", "a", "each", "total", "units", "unit", "in total"})
_CURRENCY_WORDS: Final = frozenset({"pounds", "pound"})


def is_known_word(word: str) -> bool:
    """Whether a word of two letters or more is a unit, a scale or a unit's prefix."""
    return (
        word in _KNOWN
        or word.lower() in _KNOWN
        or word in _POWERS
        or word.lower() in SCALES
        or word in ("per", "units", "unit")
    )


@lru_cache(maxsize=2048)
def parse_unit(text: str) -> Unit:
    """The unit that words such as `m / s ^ 2`, `square feet`, `dollars per hour` mean."""
    factor = Fraction(1)
    exponents: dict[str, int] = {}
    unknown: list[str] = []
    sign = 1
    pending = 1
    words = text.split()
    index = 0
    last: tuple[str, Fraction, int] | None = None
    while index < len(words):
        word = words[index].strip(".,")
        index += 1
        lowered = word.lower()
        if word in ("/", "per", "an"):
            if word != "an":
                sign = -1
            continue
        if word in ("*", "", "-") or lowered in _IGNORED:
            continue
        if lowered in SCALES:
            factor *= SCALES[lowered]
            continue
        if lowered in ("squared", "cubed") and last is not None:
            base, scale, direction = last
            extra = _POWERS[lowered] - 1
            factor *= scale ** (extra * direction)
            _raise(exponents, base, extra * direction)
            continue
        if lowered in _POWERS:
            pending = _POWERS[lowered]
            continue
        if word == "^":
            power_text = words[index] if index < len(words) else ""
            index += 1
            if power_text and last is not None:
                if not power_text.lstrip("-").isdigit() or len(power_text) > 3:
                    return Unit((), Fraction(1), text)
                base, scale, direction = last
                extra = int(power_text) - 1
                factor *= scale ** (extra * direction)
                _raise(exponents, base, extra * direction)
            continue
        known = _KNOWN.get(word) or _KNOWN.get(lowered)
        if known is None:
            unknown.append(_singular(lowered))
            continue
        base, scale = known
        factor *= scale ** (pending * sign)
        _raise(exponents, base, pending * sign)
        last = (base, scale, sign)
        pending = 1
    dimension = tuple(sorted((base, power) for base, power in exponents.items() if power))
    return Unit(dimension, factor, " ".join(unknown))


def _raise(exponents: dict[str, int], base: str, power: int) -> None:
    for part, exponent in _EXPANSIONS.get(base, ((base, 1),)):
        exponents[part] = exponents.get(part, 0) + exponent * power


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ses", "xes", "ches", "shes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith("ss") and len(word) > 3:
        return word[:-1]
    return word
