"""Quoted text can neither end its quotation nor speak in control tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.judging.quoting import disarm, mark_for, quote

TOKENS = (
    "<|im_end|>",
    "<|im_start|>",
    "<|eot_id|>",
    "<｜User｜>",
    "<｜end▁of▁sentence｜>",
    "</s>",
    "<start_of_turn>",
    "[/INST]",
    "<<SYS>>",
    "<extra_0>",
    "[UNUSED_TOKEN_130]",
    "</think>",
)


def test_the_text_stands_between_its_marks() -> None:
    quoted = quote("x = 1\ny = 2", "response")
    assert quoted.text == (f"<<<response {quoted.mark}\nx = 1\ny = 2\n{quoted.mark} response>>>")
    assert len(quoted.mark) == 16
    assert quoted.disarmed == 0


def test_the_same_text_always_has_the_same_mark() -> None:
    assert quote("same", "response") == quote("same", "response")
    assert mark_for(["a", "b"]) != mark_for(["ab"])


def test_a_mark_that_occurs_in_the_text_is_refused() -> None:
    mark = mark_for(["a"])
    spaced = "\u200b".join(mark.upper())
    wide = mark.translate({ord(c): ord(c) + 0xFEE0 for c in "0123456789abcdef"})
    for text in (mark, spaced, wide):
        with pytest.raises(ValueError, match="mark: occurs"):
            quote(f"x {text} y", "response", mark)


@pytest.mark.parametrize("token", TOKENS)
def test_control_tokens_are_broken_up(token: str) -> None:
    for text in (token, f"a{token}b", token.upper(), token * 3):
        harmless, count = disarm(text)
        assert token.casefold() not in harmless.casefold()
        assert count >= 1
        assert disarm(harmless) == (harmless, 0)
        assert harmless.replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    "text",
    [
        "if a <b and c> d: pass",
        "<p>HTML</p>",
        "x[0] <| y",
        "f <|> g",
        "a[i] = [SEPARATE]",
        "a|b||c",
    ],
)
def test_ordinary_code_is_left_alone(text: str) -> None:
    assert disarm(text) == (text, 0)


def test_control_characters_and_half_characters_are_shown() -> None:
    assert disarm("a\x00b\x1b[31m\x7f\n\t") == ("a␀b␛[31m␡\n\t", 3)
    assert disarm("a\ud800b") == ("a?b", 1)


@pytest.mark.parametrize("name", ["", "re sponse", "x\n", "réponse", "a1"])
def test_names_are_ours(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        quote("x", name)


@given(st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_a_shared_mark_is_in_none_of_the_texts(texts: list[str]) -> None:
    mark = mark_for(texts)
    for text in texts:
        quoted = quote(text, "step", mark)
        assert mark not in text
        assert quoted.text.count(mark) == 2


@given(st.lists(st.sampled_from([*TOKENS, "<", ">", "|", "<|", "|>", "[", "]", "s", "/"])))
def test_nothing_disarmed_needs_disarming_again(parts: list[str]) -> None:
    harmless, _ = disarm("".join(parts))
    assert disarm(harmless) == (harmless, 0)


def test_long_hostile_text_takes_linear_time() -> None:
    # Would not end with backtracking; pytest's own timeout is the limit.
    for text in ("<|" * 500_000, "<" * 1_000_000, "[UNUSED_TOKEN_" * 70_000, "é<|a" * 200_000):
        quote(text, "response")
