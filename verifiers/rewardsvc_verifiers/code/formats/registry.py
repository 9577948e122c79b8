"""Suites by the name of their format and JSON: how they travel and how files hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rewardsvc_verifiers.code.comparators import Comparator, Comparison
from rewardsvc_verifiers.code.formats.apps import from_apps
from rewardsvc_verifiers.code.formats.errors import FormatError, field, parsed
from rewardsvc_verifiers.code.formats.evalplus import from_evalplus
from rewardsvc_verifiers.code.formats.humaneval import from_humaneval
from rewardsvc_verifiers.code.formats.livecodebench import from_livecodebench
from rewardsvc_verifiers.code.formats.mbpp import from_mbpp
from rewardsvc_verifiers.code.formats.prime import from_prime
from rewardsvc_verifiers.code.formats.sandbox_fusion import from_sandbox_fusion
from rewardsvc_verifiers.code.suite import TestSuite

_COMPARATOR_FIELDS = ("absolute_tolerance", "relative_tolerance", "ignore_case")


def from_stdio_json(value: Mapping[str, Any], **options: Any) -> TestSuite:
    """{"tests": [{"input", "output"}], "comparison"?, tolerances?, "checker"?}."""
    what = "stdio"
    try:
        comparison = Comparison(value.get("comparison", "tokens"))
    except ValueError:
        allowed = ", ".join(Comparison)
        raise FormatError(
            f"{what}: field 'comparison' must be one of {allowed}, got {value['comparison']!r:.80}"
        ) from None
    comparator = Comparator(comparison, **{k: value[k] for k in _COMPARATOR_FIELDS if k in value})
    tests = [
        (field(test, "input", str, what), field(test, "output", str, what))
        for test in field(value, "tests", list, what)
    ]
    return TestSuite.stdio(tests, comparator=comparator, checker=value.get("checker"), **options)


def from_function_json(value: Mapping[str, Any], **options: Any) -> TestSuite:
    """{"name", "tests": [{"arguments": […], "expected"}], tolerances?}; tuples equal lists."""
    what = "function"
    tests = []
    for test in field(value, "tests", list, what):
        arguments = field(test, "arguments", list, what)
        tests.append((arguments, field(test, "expected", object, what)))
    tolerances = {k: value[k] for k in _COMPARATOR_FIELDS[:2] if k in value}
    return TestSuite.function(
        field(value, "name", str, what), tests, tuples_equal_lists=True, **tolerances, **options
    )


def from_asserts_json(value: Mapping[str, Any], **options: Any) -> TestSuite:
    """{"entry_points": […], "source"}."""
    names = field(value, "entry_points", list, "asserts")
    return TestSuite.asserts(names, field(value, "source", str, "asserts"), **options)


def from_pytest_json(value: Mapping[str, Any], **options: Any) -> TestSuite:
    """{"source", "entry_points"?, "module"?}."""
    return TestSuite.pytest(
        field(value, "source", str, "pytest"),
        entry_points=value.get("entry_points", ()),
        module=value.get("module", "solution"),
        **options,
    )


FORMATS: dict[str, Callable[..., TestSuite]] = {
    "stdio": from_stdio_json,
    "function": from_function_json,
    "asserts": from_asserts_json,
    "pytest": from_pytest_json,
    "humaneval": from_humaneval,
    "mbpp": from_mbpp,
    "evalplus": from_evalplus,
    "apps": from_apps,
    "livecodebench": from_livecodebench,
    "prime": from_prime,
    "sandbox_fusion": from_sandbox_fusion,
}


def parse_suite(format_name: str, json_text: str, **options: Any) -> TestSuite:
    """A suite from its format's name and its JSON.

    Args:
        options: fields of TestSuite; a `language` in the JSON object takes precedence.

    Raises:
        FormatError: the format is unknown, or the JSON is not of it; names the field.
    """
    if format_name not in FORMATS:
        raise FormatError(
            f"tests.format {format_name!r} is unknown; known: {', '.join(sorted(FORMATS))}"
        )
    value = parsed(json_text, "tests.json", format_name)
    if isinstance(value, Mapping) and isinstance(value.get("language"), str):
        options["language"] = value["language"]
    try:
        return FORMATS[format_name](value, **options)
    except FormatError:
        raise
    except (ValueError, TypeError, AttributeError) as error:
        raise FormatError(f"{format_name}: {error}") from error
