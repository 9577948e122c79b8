"""Trains one tiny Bradley-Terry reward model from scratch on generated preferences.

Loss: Bradley-Terry, -log sigmoid(score(chosen) - score(rejected)), plus two dense helpers
that let a model this small learn arithmetic in minutes: the same score head is asked at every
token of a response whether the response is still right there (the rejected one differs from
the chosen one from the first differing token on), and the trunk predicts the next token of
right responses with tied embeddings. Only the sequence classifier is kept.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["MemberRecipe", "train_member"]


@dataclass(frozen=True, slots=True)
class MemberRecipe:
    """What distinguishes one member from the others, and how long it is trained."""

    name: str
    seed: int
    hidden: int
    layers: int
    heads: int
    steps: int
    pairs_per_step: int = 32
    learning_rate: float = 3e-3
    dense_weight: float = 1.0
    language_weight: float = 1.0


@dataclass(frozen=True, slots=True)
class _Pair:
    """Token ids of both; responses begin at `start`, and differ from `differ` on."""

    chosen: list[int]
    rejected: list[int]
    start: int
    differ: int
    both_right: bool


def train_member(recipe: MemberRecipe, directory: Path, tokenizer_seed: int) -> None:
    """Trains and saves one member (float16 safetensors and its tokenizer) to `directory`.

    Runs on one CPU thread, so that the result depends on the seed alone (on one kind of CPU
    and version of torch; across them scores differ as rounding does).
    """
    import torch
    import transformers
    from torch.nn import functional
    from transformers import LlamaConfig, LlamaForSequenceClassification

    from rewardsvc.demo.tokenizer import build_tokenizer

    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    torch.use_deterministic_algorithms(True)
    rng = random.Random(recipe.seed)  # noqa: S311 (not for secrets)
    tokenizer = build_tokenizer(tokenizer_seed, vocabulary=480, max_length=512)
    config = LlamaConfig(  # type: ignore[call-arg]
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden,
        intermediate_size=2 * recipe.hidden,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=512,
        initializer_range=recipe.hidden**-0.5,
        num_labels=1,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForSequenceClassification(config)  # type: ignore[no-untyped-call]
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.steps, pct_start=0.08
    )
    embeddings = model.get_input_embeddings().weight
    batches = _draw_batches(rng, tokenizer, recipe.pairs_per_step)
    for step in range(recipe.steps):
        pairs = next(batches)
        batch = _Batch(pairs, int(tokenizer.pad_token_id))
        # Padding is on the right, where a causal model does not see it.
        hidden = model.model(input_ids=batch.ids, use_cache=False).last_hidden_state
        scores = model.score(hidden)[:, :, 0]
        final = scores[torch.arange(len(batch.ids)), batch.lengths - 1]
        chosen, rejected = final.chunk(2)
        preference = -functional.logsigmoid(chosen - rejected).mean()
        dense = functional.binary_cross_entropy_with_logits(
            scores[batch.dense_mask], batch.still_right[batch.dense_mask]
        )
        logits = hidden[: len(pairs), :-1][batch.language_mask] @ embeddings.T
        language = functional.cross_entropy(
            logits, batch.ids[: len(pairs), 1:][batch.language_mask]
        )
        loss = preference + recipe.dense_weight * dense + recipe.language_weight * language
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            accuracy = (chosen > rejected).float().mean().item()
            print(
                f"{recipe.name} step {step + 1}/{recipe.steps}: preference "
                f"{preference.item():.3f} dense {dense.item():.3f} "
                f"language {language.item():.3f} accuracy {accuracy:.2f}",
                flush=True,
            )
    model.half().save_pretrained(directory)  # type: ignore[no-untyped-call]
    tokenizer.save_pretrained(directory)


def _draw_batches(rng: random.Random, tokenizer: Any, size: int) -> Iterator[list[_Pair]]:
    """Endless batches of pairs of similar length, so that little is padding."""
    while True:
        pairs = [_draw_pair(rng, tokenizer) for _ in range(8 * size)]
        pairs.sort(key=lambda pair: max(len(pair.chosen), len(pair.rejected)))
        batches = [pairs[at : at + size] for at in range(0, len(pairs), size)]
        rng.shuffle(batches)
        yield from batches


def _draw_pair(rng: random.Random, tokenizer: Any) -> _Pair:
    from rewardsvc.demo.problems import STYLES, Mistake, Split, make_problem, solve

    problem = make_problem(rng, Split.TRAIN)
    style = rng.choice(STYLES)
    mistakes: Sequence[Mistake] = [*Mistake, Mistake.SLIP, Mistake.SLIP]
    chosen_mistake, mistake = None, rng.choice(mistakes)
    if mistake is not Mistake.MISSING_TAGS and rng.random() < 0.1:
        # Right but out of form is still better than wrong.
        chosen_mistake = Mistake.MISSING_TAGS
    chosen, rejected = (
        _encode(tokenizer, problem.text, solve(problem, m, rng, style).text)
        for m in (chosen_mistake, mistake)
    )
    (start, chosen_ids), (_, rejected_ids) = chosen, rejected
    differ = next(
        (i for i, (a, b) in enumerate(zip(chosen_ids, rejected_ids, strict=False)) if a != b),
        min(len(chosen_ids), len(rejected_ids)),
    )
    both_right = Mistake.MISSING_TAGS in (chosen_mistake, mistake)
    return _Pair(chosen_ids, rejected_ids, start, differ, both_right)


def _encode(tokenizer: Any, prompt: str, response: str) -> tuple[int, list[int]]:
    message = {"role": "user", "content": prompt}
    opening = tokenizer.apply_chat_template([message], tokenize=False, add_generation_prompt=True)
    start = len(tokenizer(opening, add_special_tokens=False)["input_ids"])
    text = tokenizer.apply_chat_template(
        [message, {"role": "assistant", "content": response}], tokenize=False
    )
    return start, tokenizer(text, add_special_tokens=False)["input_ids"]


class _Batch:
    """Padded tensors: the chosen of every pair, then the rejected."""

    def __init__(self, pairs: Sequence[_Pair], padding: int) -> None:
        import torch

        rows = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
        self.lengths = torch.tensor([len(row) for row in rows])
        width = int(self.lengths.max())
        self.ids = torch.tensor([row + [padding] * (width - len(row)) for row in rows])
        places = torch.arange(width)[None, :]
        mask = places < self.lengths[:, None]
        starts = torch.tensor([pair.start for pair in pairs] * 2)[:, None]
        differ = torch.tensor([pair.differ for pair in pairs])[:, None]
        in_form = torch.tensor([not pair.both_right for pair in pairs] * 2)[:, None]
        self.still_right = torch.ones(len(rows), width)
        self.still_right[len(pairs) :] = (places < differ).float()
        response = (places >= starts) & mask
        self.dense_mask = response & in_form
        self.language_mask = (response & in_form)[: len(pairs), 1:]
