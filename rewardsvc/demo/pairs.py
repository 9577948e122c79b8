"""Preference pairs from generated problems, as token ids and as padded tensors."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from rewardsvc.demo.problems import STYLES, Mistake, Split, make_problem, solve

__all__ = ["Pair", "PairBatch", "draw_batches", "draw_pair"]

_SHARE_OUT_OF_FORM = 0.1
_HARD = (Mistake.SLIP, Mistake.SLIP, Mistake.MISCOPIED_ANSWER, Mistake.MISREAD_NUMBER)
"""Drawn more often: they are seen only by calculating and comparing."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Token ids of two conversations about one problem, the first one preferred."""

    chosen: list[int]
    rejected: list[int]
    start: int
    """Where both responses begin."""
    differ: int
    """The first place where they differ."""
    wrong_from_there: bool
    """Whether the rejected one is wrong from `differ` on, rather than out of form."""


def draw_pair(rng: random.Random, tokenizer: Any) -> Pair:
    """A right response and one with a mistake, in one style, to a training problem."""
    problem = make_problem(rng, Split.TRAIN)
    style = rng.choice(STYLES)
    rejected_mistake = rng.choice([*Mistake, *_HARD])
    chosen_mistake = None
    if rejected_mistake is not Mistake.MISSING_TAGS and rng.random() < _SHARE_OUT_OF_FORM:
        # Right but out of form is still better than wrong.
        chosen_mistake = Mistake.MISSING_TAGS
    (start, chosen), (_, rejected) = (
        _encode(tokenizer, problem.text, solve(problem, mistake, rng, style).text)
        for mistake in (chosen_mistake, rejected_mistake)
    )
    differ = next(
        (i for i, (a, b) in enumerate(zip(chosen, rejected, strict=False)) if a != b),
        min(len(chosen), len(rejected)),
    )
    in_form = Mistake.MISSING_TAGS not in (chosen_mistake, rejected_mistake)
    return Pair(chosen, rejected, start, differ, in_form)


def draw_batches(rng: random.Random, tokenizer: Any, size: int) -> Iterator[list[Pair]]:
    """Endless batches of pairs of similar length, so that little is padding."""
    while True:
        pairs = [draw_pair(rng, tokenizer) for _ in range(8 * size)]
        pairs.sort(key=lambda pair: max(len(pair.chosen), len(pair.rejected)))
        batches = [pairs[at : at + size] for at in range(0, len(pairs), size)]
        rng.shuffle(batches)
        yield from batches


class PairBatch:
    """Padded on the right: the chosen of every pair, then, unless left out, the rejected.

    `ids` has shape (rows, width), `lengths` (rows,). `response` marks the tokens of responses
    in form, and `still_right` is 1 up to where a rejected response goes wrong, then 0.
    """

    def __init__(self, pairs: Sequence[Pair], padding: int, *, with_rejected: bool = True) -> None:
        rows = [pair.chosen for pair in pairs]
        if with_rejected:
            rows += [pair.rejected for pair in pairs]
        copies = len(rows) // len(pairs)
        self.lengths = torch.tensor([len(row) for row in rows])
        width = int(self.lengths.max())
        self.ids = torch.tensor([row + [padding] * (width - len(row)) for row in rows])
        places = torch.arange(width)[None, :]
        starts = torch.tensor([pair.start for pair in pairs] * copies)[:, None]
        in_form = torch.tensor([pair.wrong_from_there for pair in pairs] * copies)[:, None]
        self.response = (places >= starts) & (places < self.lengths[:, None]) & in_form
        self.still_right = torch.ones(len(rows), width)
        if with_rejected:
            differ = torch.tensor([pair.differ for pair in pairs])[:, None]
            self.still_right[len(pairs) :] = (places < differ).float()


def _encode(tokenizer: Any, prompt: str, response: str) -> tuple[int, list[int]]:
    """Where the response begins, and the token ids of the conversation."""
    message = {"role": "user", "content": prompt}
    opening = tokenizer.apply_chat_template([message], tokenize=False, add_generation_prompt=True)
    text = tokenizer.apply_chat_template(
        [message, {"role": "assistant", "content": response}], tokenize=False
    )
    start = len(tokenizer(opening, add_special_tokens=False)["input_ids"])
    return start, tokenizer(text, add_special_tokens=False)["input_ids"]
