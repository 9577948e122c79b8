"""Trains the tiny reward models from scratch: first a trunk they share, then each member.

The trunk learns to continue right solutions (next-token loss on responses), which teaches it
the calculations. Each member starts from the trunk with a score head and an order of pairs of
its own, as members fine-tuned from one base model do. Its loss is Bradley-Terry,
-log sigmoid(score(chosen) - score(rejected)), plus a dense helper: the same head is asked at
every token whether the response is still right there. The next-token loss stays on.

On one CPU thread, so that the result depends on the seeds alone (on one kind of CPU and one
version of torch). Imports torch.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    LlamaConfig,
    LlamaForSequenceClassification,
)

from rewardsvc.demo.pairs import PairBatch, draw_batches
from rewardsvc.demo.tokenizer import build_tokenizer

__all__ = ["Recipe", "train_member", "train_trunk"]

_HIDDEN, _LAYERS, _HEADS = 64, 4, 4
_VOCABULARY, _MAX_LENGTH = 480, 512
_WARM_UP_STEPS = 50
_REPORT_EVERY = 100


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one model is trained; `rate` is Muon's, for the layers' matrices."""

    name: str
    seed: int
    steps: int
    rate: float
    pairs_per_step: int


def train_trunk(recipe: Recipe, directory: Path) -> None:
    """Trains the trunk and saves it, with its tokenizer and an untrained head, in float32."""
    _prepare(recipe)
    tokenizer = build_tokenizer(recipe.seed, _VOCABULARY, _MAX_LENGTH)
    config = LlamaConfig(  # type: ignore[call-arg]
        vocab_size=len(tokenizer),
        hidden_size=_HIDDEN,
        intermediate_size=2 * _HIDDEN,
        num_hidden_layers=_LAYERS,
        num_attention_heads=_HEADS,
        max_position_embeddings=_MAX_LENGTH,
        initializer_range=_HIDDEN**-0.5,
        num_labels=1,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForSequenceClassification(config)  # type: ignore[no-untyped-call]

    def loss_of(batch: PairBatch) -> dict[str, Tensor]:
        return {"language": _language_loss(model, _hidden(model, batch), batch)}

    _train(model, tokenizer, recipe, loss_of, with_rejected=False)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def train_member(recipe: Recipe, trunk: Path, directory: Path) -> None:
    """Trains one member from the trunk and saves it in float16 with the tokenizer."""
    _prepare(recipe)
    tokenizer = AutoTokenizer.from_pretrained(trunk)
    model = AutoModelForSequenceClassification.from_pretrained(trunk, dtype=torch.float32)
    nn.init.normal_(model.score.weight, std=0.02)

    def loss_of(batch: PairBatch) -> dict[str, Tensor]:
        hidden = _hidden(model, batch)
        scores = model.score(hidden)[:, :, 0]
        final = scores[torch.arange(len(batch.ids)), batch.lengths - 1]
        chosen, rejected = final.chunk(2)
        return {
            "preference": -functional.logsigmoid(chosen - rejected).mean(),
            "dense": functional.binary_cross_entropy_with_logits(
                scores[batch.response], batch.still_right[batch.response]
            ),
            "language": _language_loss(model, hidden, batch),
        }

    _train(model, tokenizer, recipe, loss_of, with_rejected=True)
    model.half().save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def _prepare(recipe: Recipe) -> None:
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    torch.use_deterministic_algorithms(True)


def _train(
    model: Any, tokenizer: Any, recipe: Recipe, loss_of: Any, *, with_rejected: bool
) -> None:
    """Muon on the layers' matrices, AdamW on the rest; linear warm-up, then linear decay."""
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if all(p is not m for m in matrices)]
    optimizers = [
        torch.optim.Muon(matrices, lr=recipe.rate, weight_decay=0.0),
        torch.optim.AdamW(others, lr=recipe.rate / 5, betas=(0.9, 0.98), weight_decay=0.01),
    ]

    def rate(step: int) -> float:
        return min((step + 1) / _WARM_UP_STEPS, 1.0) * max(1 - step / recipe.steps, 0.01)

    schedules = [torch.optim.lr_scheduler.LambdaLR(o, rate) for o in optimizers]
    rng = random.Random(recipe.seed)  # noqa: S311 (not for secrets)
    batches = draw_batches(rng, tokenizer, recipe.pairs_per_step)
    for step in range(recipe.steps):
        batch = PairBatch(next(batches), int(tokenizer.pad_token_id), with_rejected=with_rejected)
        losses = loss_of(batch)
        model.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
        if (step + 1) % _REPORT_EVERY == 0:
            told = " ".join(f"{name} {loss.item():.3f}" for name, loss in losses.items())
            print(f"{recipe.name} {step + 1}/{recipe.steps}: {told}", flush=True)


def _hidden(model: Any, batch: PairBatch) -> Tensor:
    # Padding is on the right, where a causal model does not see it.
    hidden: Tensor = model.model(input_ids=batch.ids, use_cache=False).last_hidden_state
    return hidden


def _language_loss(model: Any, hidden: Tensor, batch: PairBatch) -> Tensor:
    """Next-token loss on the tokens that are right, with embeddings tied to the output."""
    right = (batch.response & (batch.still_right > 0))[:, 1:]
    logits = hidden[:, :-1][right] @ model.get_input_embeddings().weight.T
    return functional.cross_entropy(logits, batch.ids[:, 1:][right])
