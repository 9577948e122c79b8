"""What counts as the same answer where mathematics leaves a choice.

Every knob has a default and a caveat in `docs/math.md`. A policy is chosen by name in
configuration (`MathPolicy.named("gsm8k")`); a project registers its own with
`register_policy`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class MathPolicy:
    """The choices of one dataset. Immutable and hashable: it is part of every cache key."""

    name: str = "default"
    """What verdicts call this policy."""

    percent: Literal["strict", "sign_optional", "ignore"] = "sign_optional"
    """`strict`: 25 % is only 1/4. `sign_optional`: a reference of 25 % also accepts 25.
    `ignore`: the sign may be missing or added on either side (MATH's "what percent")."""

    units: Literal["optional", "required", "ignore"] = "optional"
    """`optional`: a unit may be left out by one side, two units must agree after conversion.
    `required`: a reference's unit must be written. `ignore`: units are never compared."""

    rounding_digits: int = 3
    """A decimal reference with at least this many significant digits accepts a more precise
    decimal that rounds to it (relative, never absolute). 0 turns rounding off."""

    rounding_digits_exact: int = 2
    """The same for a response that is exact and does not terminate (1/3, sqrt 5), where the
    reference can only be a rounding."""

    response_digits: int = 4
    """An exact reference without a finite decimal form (1/3, pi) accepts a decimal rounded
    correctly to at least this many significant digits. 0 turns it off."""

    degrees: Literal["optional", "required"] = "optional"
    """`optional`: 90 degrees accepts 90 and pi/2. `required`: the sign must be written."""

    logarithm: Literal["either", "e", "10"] = "either"
    """Base of a `log` without one; `either` accepts what holds under one consistent reading."""

    list_order: Literal["any", "as_reference"] = "any"
    """Whether a bare comma list is a set of values or a sequence."""

    labels: Literal["optional", "required"] = "optional"
    """Whether `x = 5` may be answered `5`, and `x = 1, y = 2` by `(1, 2)` in that order."""

    column_is_tuple: bool = True
    """Whether a column vector equals the tuple of its entries."""

    base: Literal["as_reference", "value"] = "as_reference"
    """`as_reference`: 1011_2 must be answered in base 2 (else copying the question wins)."""

    constant_of_integration: Literal["required", "optional"] = "required"
    """Whether `+ C` may be missing on one side."""

    text: Literal["synonyms", "exact"] = "synonyms"
    """`synonyms`: DNE is "does not exist", 7 is "seven"; `exact`: only case and spacing."""

    choice_text: bool = True
    """Whether `(B) 12` as a reference accepts `B` alone or `12` alone."""

    ratio_is_fraction: bool = True
    """Whether 1:2 equals 1/2."""

    maximum_answer_characters: int = 4000
    """Longer answers are compared as text only, then undecided."""

    tail_characters: int = 65536
    """How much of the end of a response is searched for its answer."""

    def __post_init__(self) -> None:
        for field in fields(self):
            allowed = _ALLOWED.get(field.name)
            value = getattr(self, field.name)
            if allowed is not None and value not in allowed:
                options = ", ".join(repr(option) for option in allowed)
                raise ValueError(
                    f"MathPolicy.{field.name} is {value!r}; it must be one of {options}"
                )
        for name in ("rounding_digits", "rounding_digits_exact", "response_digits"):
            if getattr(self, name) < 0:
                raise ValueError(f"MathPolicy.{name} is {getattr(self, name)}; it must be >= 0")
        for name in ("maximum_answer_characters", "tail_characters"):
            if getattr(self, name) < 1:
                raise ValueError(f"MathPolicy.{name} is {getattr(self, name)}; it must be >= 1")

    @staticmethod
    def named(name: str, /, **changes: Any) -> MathPolicy:
        """The registered policy of that name, with single knobs changed if asked.

        A changed policy calls itself "<name>, changed" unless `name` is among the changes.

        Raises KeyError naming the policies there are, ValueError on a value not allowed.
        """
        try:
            policy = _REGISTRY[name]
        except KeyError:
            known = ", ".join(sorted(_REGISTRY))
            raise KeyError(f"no math policy is called {name!r}; there are: {known}") from None
        if not changes:
            return policy
        changes.setdefault("name", f"{name}, changed")
        return replace(policy, **changes)


_ALLOWED: dict[str, tuple[str, ...]] = {
    "percent": ("strict", "sign_optional", "ignore"),
    "units": ("optional", "required", "ignore"),
    "degrees": ("optional", "required"),
    "logarithm": ("either", "e", "10"),
    "list_order": ("any", "as_reference"),
    "labels": ("optional", "required"),
    "base": ("as_reference", "value"),
    "constant_of_integration": ("required", "optional"),
    "text": ("synonyms", "exact"),
}

_REGISTRY: dict[str, MathPolicy] = {}


def register_policy(policy: MathPolicy) -> MathPolicy:
    """Make a policy available by its name. A name already taken by another is an error."""
    known = _REGISTRY.get(policy.name)
    if known is not None and known != policy:
        raise ValueError(f"a math policy called {policy.name!r} is already registered")
    _REGISTRY[policy.name] = policy
    return policy


def policy_names() -> tuple[str, ...]:
    """Names of all registered policies, sorted."""
    return tuple(sorted(_REGISTRY))


register_policy(MathPolicy())
register_policy(
    MathPolicy(
        name="strict",
        percent="strict",
        units="required",
        rounding_digits=0,
        rounding_digits_exact=0,
        response_digits=0,
        degrees="required",
        labels="required",
        list_order="as_reference",
        text="exact",
        choice_text=False,
        ratio_is_fraction=False,
        column_is_tuple=False,
    )
)
# GSM8K asks for one number; its references carry neither unit nor percent sign.
register_policy(MathPolicy(name="gsm8k", percent="ignore", units="ignore"))
# MATH's "what percent" references are bare numbers.
register_policy(MathPolicy(name="math", percent="ignore"))
# AIME answers are integers from 0 to 999: nothing may be rounded.
register_policy(
    MathPolicy(name="aime", rounding_digits=0, rounding_digits_exact=0, response_digits=0)
)
# Science answers carry units and measured digits.
register_policy(
    MathPolicy(name="science", rounding_digits=2, rounding_digits_exact=2, response_digits=3)
)
