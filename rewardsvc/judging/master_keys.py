"""Responses without content: nothing at all, punctuation, master keys, bare headings.

The ten master keys are those of "One Token to Fool LLM-as-a-Judge" (arXiv 2507.08794): openers
that judges accept as right answers, up to 90 % of the time. They are compared after NFKC,
without case, white space, punctuation and invisible characters, so their variants are found
as well; a response of several keys and nothing else is one too.

It finds only what says nothing. An opener followed by any answer is for the judge.
"""

from __future__ import annotations

import unicodedata

from rewardsvc.judging.folding import fold, without_invisible

__all__ = ["MASTER_KEYS", "bare_key", "contentless"]

MASTER_KEYS = (
    " ",
    ".",
    ",",
    ":",
    "Thought process:",
    "Let’s solve this problem step by step.",
    "Solution",
    "解",
    "かいせつ",
    "Respuesta",
)

_OPENERS = (
    "let us solve this problem step by step",
    "let's think step by step",
    "let us think step by step",
    "let's think about this step by step",
    "let's work through this step by step",
    "let's break this down step by step",
    "let's solve this step by step",
    "i will solve this problem step by step",
    "here is my solution",
    "here is the solution",
    "here is the answer",
    "thinking process",
    "让我们一步一步地解决这个问题",
    "让我们一步一步思考",
    "ステップバイステップで解きましょう",
    "resolvamos este problema paso a paso",
    "résolvons ce problème étape par étape",
    "lösen wir dieses problem schritt für schritt",
)

_LONGEST_HEADING = 40


def bare_key(text: str) -> str:
    """Letters and digits of the folded text: what is left to compare."""
    return "".join(c for c in fold(text) if c.isalnum())


_KEYS = frozenset(key for key in map(bare_key, (*MASTER_KEYS, *_OPENERS)) if key)
_LONGEST_KEY = max(map(len, _KEYS))
_KEY_BEGINNINGS = tuple(sorted({key[:4] for key in _KEYS}))


def contentless(text: str) -> tuple[str, str] | None:
    """The rule a response without content breaks and what to say of it; None for others.

    Rules: `empty`, `punctuation_only`, `master_key`, `bare_heading`.
    """
    visible = without_invisible(text).strip()
    if not visible:
        return "empty", "it is empty"
    if not any(c.isalnum() for c in visible) and all(
        unicodedata.category(c)[0] in "PZC" for c in visible
    ):
        return "punctuation_only", "it holds nothing but punctuation"
    if _only_keys(visible):
        return "master_key", f"it is nothing but the opener {_shown(visible)}"
    heading = len(visible) <= _LONGEST_HEADING and visible[-1] in ":：" and "\n" not in visible
    if heading and any(c.isalpha() for c in visible) and not any(c in "=<>\\" for c in visible):
        return "bare_heading", f"it is nothing but the heading {_shown(visible)}"
    return None


def _only_keys(text: str) -> bool:
    if len(text) > 20 * _LONGEST_KEY:
        return False
    if not bare_key(text[: 3 * _LONGEST_KEY]).startswith(_KEY_BEGINNINGS):
        return False  # nearly every text ends here
    rest = bare_key(text)
    reached = {0}
    for start in range(len(rest)):
        if start in reached:
            reached |= {start + len(key) for key in _KEYS if rest.startswith(key, start)}
    return len(rest) in reached


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…")
