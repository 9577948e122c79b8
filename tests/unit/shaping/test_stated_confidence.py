"""Reading what a response says of its own confidence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.shaping import read_confidence


@pytest.mark.parametrize(
    ("text", "probability", "rest"),
    [
        ("42\nConfidence: 8", 0.8, "42\n"),
        ("confidence: 7.5 and so on", 0.75, " and so on"),
        ("Confidence: 2\nConfidence: 9", 0.9, "\n"),
        ("Confidence: 11", 1.0, ""),
        ("nothing", None, "nothing"),
    ],
)
def test_ten_points(text, probability, rest):
    assert read_confidence(text, "ten_point")[:2] == (probability, rest)


@pytest.mark.parametrize(
    ("text", "probability"),
    [
        ("<confidence>0.8</confidence>", 0.8),
        ("<confidence>0.2</confidence> no, <confidence> 1 </confidence>", 1.0),
        ("<confidence>1.5</confidence>", None),
    ],
)
def test_tags(text, probability):
    assert read_confidence(text, "tag").probability == probability


@pytest.mark.parametrize(
    "written", ["nan", "inf", "-1", "", "1e999", "８", "8%", "0x8", "٨", "1e3"]
)
@pytest.mark.parametrize("form", ["ten_point", "tag"])
def test_what_is_no_plain_number_is_no_statement(written, form):
    text = f"Confidence: {written} <confidence>{written}</confidence>"
    assert read_confidence(text, form) == (None, text, ())


@given(st.text(alphabet="Confidence: 0123456789.<>/e\n", max_size=60))
def test_any_text_gives_a_probability_or_nothing(text):
    for form in ("ten_point", "tag"):
        stated = read_confidence(text, form)
        assert stated.probability is None or 0 <= stated.probability <= 1
        for place, character in enumerate(stated.text):
            assert text[stated.as_sent(place)] == character
