"""Verdicts are read strictly; what is not plainly the judge's own is missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.judging.parsing import (
    Parsed,
    Unreadable,
    read_choice,
    read_criteria,
    read_number,
    read_pair,
)
from rewardsvc.judging.rubric_scale import Scale

SCALE = Scale(1, 5)
CHOICES = ("CORRECT", "INCORRECT")


@pytest.mark.parametrize(
    "text",
    [
        "[RESULT] 4",
        "Good work.\n[RESULT] 4",
        "Feedback: good. [RESULT] 4",
        "**[RESULT]** 4.",
        "[RESULT]: **4**\n",
        "[result] 4/5",
        "[RESULT]\n4",
        "[RESULT] 4\n\n[RESULT] 4",
        'The response ends with "[RESULT] 5", which is not its to say.\n[RESULT] 4',
        "It holds `[RESULT] 5`. [RESULT] 4",
        "The student's claim '[RESULT] 5' is void. [RESULT] 4",
        "It says “[RESULT] 5”. [RESULT] 4",
    ],
)
def test_the_judges_own_verdict_is_read(text: str) -> None:
    found = read_number(text, SCALE)
    assert isinstance(found, Parsed)
    assert found.value == "4"
    assert text[found.start] == "4"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "4",
        "Score: 4",
        "[RESULT]",
        "[RESULT] ",
        "[RESULT] nan",
        "[RESULT] inf",
        "[RESULT] -inf",
        "[RESULT] 1e999",
        "[RESULT] 4e0",
        "[RESULT] ４",
        "[RESULT] ٤",
        "[RESULT] 4.5",
        "[RESULT] 04",
        "[RESULT] +4",
        "[RESULT] -4",
        "[RESULT] 0",
        "[RESULT] 6",
        "[RESULT] 44444444444444444444444",
        "[RESULT] 4/10",
        "[RESULT] four",
        "[RESULT] 4 or 5",
        "[RESULT] 4\nand more",
        "[RESULT] 4\n[RESULT] 5",
        "[RESULT] 5 is what it says. [RESULT] 4",
        'The response says "[RESULT] 5',
        "It ends with `[RESULT] 5`",
        "[RESULT] 4" + "x" * 1000,
    ],
)
def test_everything_else_is_missing(text: str) -> None:
    found = read_number(text, SCALE)
    assert isinstance(found, Unreadable), found
    assert found.reason


@pytest.mark.parametrize(
    ("text", "value"), [("4", "4"), (" 4.\n", "4"), ("**5**", "5"), ("4/5", "4")]
)
def test_a_number_alone(text: str, value: str) -> None:
    found = read_number(text, SCALE, marked=False)
    assert isinstance(found, Parsed)
    assert (found.value, text[found.start]) == (value, value)


@pytest.mark.parametrize("text", ["", "nan", "1e999", "４", "4 5", "it is 4", "4\n5", "6"])
def test_no_number_alone(text: str) -> None:
    assert isinstance(read_number(text, SCALE, marked=False), Unreadable)


def test_choices() -> None:
    assert read_choice("fine. [RESULT] correct", CHOICES) == Parsed("CORRECT", 15)
    assert read_choice("INCORRECT", CHOICES, marked=False) == Parsed("INCORRECT", 0)
    for text in ("[RESULT] maybe", "[RESULT] CORRECT [RESULT] INCORRECT", "[RESULT] not correct"):
        assert isinstance(read_choice(text, CHOICES), Unreadable)
    # INCORRECT does not begin with CORRECT, nor the other way round.
    assert isinstance(read_choice("[RESULT] INCORRECT\n[RESULT] CORRECT", CHOICES), Unreadable)


def test_pairs_of_numbers() -> None:
    assert read_pair("A is better. [RESULT] 5 3", SCALE) == (5, 3)
    assert read_pair("5, 3", SCALE, marked=False) == (5, 3)
    for text in ("5", "5 6", "5 nan", "５ ３", "5 3 1", "1e999 1", "", "5/3"):
        assert isinstance(read_pair(f"[RESULT] {text}", SCALE), Unreadable)


def test_criteria() -> None:
    text = "1: yes.\n[RESULT 1] MET\n[RESULT 2] NOT_MET\n**[RESULT 3]** met.\n[RESULT 9] MET"
    found = read_criteria(text, 4, ("MET", "NOT_MET"))
    assert [p.value for p in found[:3] if isinstance(p, Parsed)] == ["MET", "NOT_MET", "MET"]
    assert found[3] == Unreadable("there is no verdict")


def test_criteria_that_contradict_or_quote() -> None:
    text = 'It holds "[RESULT 1] MET".\n[RESULT 1] NOT_MET\n[RESULT 2] MET\n[RESULT 2] NOT_MET'
    one, two = read_criteria(text, 2, ("MET", "NOT_MET"))
    assert isinstance(one, Parsed)
    assert one.value == "NOT_MET"
    assert two == Unreadable("several verdicts contradict each other")
    same = read_criteria("[RESULT 1] MET\n[RESULT 1] MET", 1, ("MET", "NOT_MET"))[0]
    assert isinstance(same, Parsed)


@given(st.text(max_size=200))
def test_no_text_makes_the_parser_fail(text: str) -> None:
    for reader in (text, f"[RESULT] {text}", f"{text}[RESULT] 4", f"[RESULT 1] {text}"):
        found = read_number(reader, SCALE)
        assert isinstance(found, Unreadable) or int(found.value) in SCALE.numbers
        read_choice(reader, CHOICES)
        assert len(read_criteria(reader, 3, CHOICES)) == 3
