"""Trains the tiny reward models from scratch: first a trunk they share, then each member.

The trunk is trained in two stages. It learns to continue right solutions (next-token loss on
responses, read after its lower layers), which teaches it the calculations; then to find
tokens of right solutions that were replaced at random (as ELECTRA does, Clark et al. 2020),
which teaches the layers above to compare a token with what was expected one token before.

Each member starts from the trunk with a score head and an order of pairs of its own, as
members fine-tuned from one base model do. Its loss is Bradley-Terry,
-log sigmoid(score(chosen) - score(rejected)); beside it, the score head is asked at every
token whether the response is still right there, and the next-token loss stays on.

On one CPU thread, so that the result depends on the seeds alone (on one kind of CPU and one
version of torch). Imports torch.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoTokenizer, LlamaConfig, LlamaForSequenceClassification

from rewardsvc.demo.pairs import PairBatch, draw_batches
from rewardsvc.demo.tokenizer import build_tokenizer

__all__ = ["Recipe", "train_member", "train_trunk"]

_HIDDEN, _LAYERS, _HEADS = 64, 6, 4
_READ_NEXT_TOKEN_AFTER, _READ_REPLACED_AFTER = 4, 5
_VOCABULARY, _MAX_LENGTH = 480, 512
_SHARE_REPLACED = 0.1
_WARM_UP_STEPS = 50
_REPORT_EVERY = 100

LossOf = Callable[[PairBatch], dict[str, Tensor]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one model is trained; `rate` is Muon's, for the layers' matrices."""

    name: str
    seed: int
    steps: int
    rate: float
    pairs_per_step: int


def train_trunk(language: Recipe, checking: Recipe, directory: Path) -> None:
    """Trains the trunk in two stages and saves it with its tokenizer in float32."""
    _prepare(language.seed)
    tokenizer = build_tokenizer(language.seed, _VOCABULARY, _MAX_LENGTH)
    model = _new_model(tokenizer)
    upper = model.model.layers[_READ_NEXT_TOKEN_AFTER:]

    def language_loss(batch: PairBatch) -> dict[str, Tensor]:
        model.model.layers = model.model.layers[:_READ_NEXT_TOKEN_AFTER]
        hidden = model.model(input_ids=batch.ids, use_cache=False).last_hidden_state
        model.model.layers.extend(upper)
        return {"next_token": _next_token_loss(model, hidden, batch)}

    _train(model, tokenizer, language, language_loss, with_rejected=False)

    token_head = nn.Linear(_HIDDEN, 1)
    model.add_module("token_head", token_head)
    alike = _tokens_alike(tokenizer)

    def checking_loss(batch: PairBatch) -> dict[str, Tensor]:
        ids, kept = _replace_some(batch, alike)
        layers, final = _run(model, ids)
        tokens = token_head(model.model.norm(layers[_READ_REPLACED_AFTER]))[:, :, 0]
        none_so_far = kept.cumprod(dim=1)
        return {
            "replaced": _balanced(tokens, kept, batch.response),
            "still_right": _balanced(model.score(final)[:, :, 0], none_so_far, batch.response),
            "next_token": _next_token_loss(
                model, model.model.norm(layers[_READ_NEXT_TOKEN_AFTER]), batch
            ),
        }

    _train(model, tokenizer, checking, checking_loss, with_rejected=False)
    del model.token_head
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def train_member(recipe: Recipe, trunk: Path, directory: Path) -> None:
    """Trains one member from the trunk and saves it in float16 with the tokenizer."""
    _prepare(recipe.seed)
    tokenizer = AutoTokenizer.from_pretrained(trunk)
    model = LlamaForSequenceClassification.from_pretrained(trunk, dtype=torch.float32)
    nn.init.normal_(model.score.weight, std=0.1)

    def loss_of(batch: PairBatch) -> dict[str, Tensor]:
        layers, final = _run(model, batch.ids)
        scores = model.score(final)[:, :, 0]
        chosen, rejected = scores[torch.arange(len(batch.ids)), batch.lengths - 1].chunk(2)
        return {
            "preference": -functional.logsigmoid(chosen - rejected).mean(),
            "still_right": _balanced(scores, batch.still_right, batch.response),
            "next_token": _next_token_loss(
                model, model.model.norm(layers[_READ_NEXT_TOKEN_AFTER]), batch
            ),
        }

    _train(model, tokenizer, recipe, loss_of, with_rejected=True)
    model.half().save_pretrained(directory)  # type: ignore[no-untyped-call]
    tokenizer.save_pretrained(directory)


def _prepare(seed: int) -> None:
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)


def _new_model(tokenizer: Any) -> Any:
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
    return LlamaForSequenceClassification(config)  # type: ignore[no-untyped-call]


def _train(
    model: Any, tokenizer: Any, recipe: Recipe, loss_of: LossOf, *, with_rejected: bool
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


def _run(model: Any, ids: Tensor) -> tuple[Any, Tensor]:
    """What each layer gives, and the last one's output after the final norm."""
    # Padding is on the right, where a causal model does not see it.
    output = model.model(input_ids=ids, use_cache=False, output_hidden_states=True)
    return output.hidden_states, output.last_hidden_state


def _next_token_loss(model: Any, hidden: Tensor, batch: PairBatch) -> Tensor:
    """On the tokens that are right, with embeddings tied to the output."""
    right = (batch.response & (batch.still_right > 0))[:, 1:]
    logits = hidden[:, :-1][right] @ model.get_input_embeddings().weight.T
    return functional.cross_entropy(logits, batch.ids[:, 1:][right])


def _balanced(logits: Tensor, right: Tensor, where: Tensor) -> Tensor:
    """Binary cross-entropy in which the right and the wrong tokens have equal weight."""
    losses = functional.binary_cross_entropy_with_logits(logits, right, reduction="none")
    kinds = torch.stack([where & (right > 0), where & (right == 0)])
    return ((losses * kinds).sum((1, 2)) / kinds.sum((1, 2)).clamp(min=1)).sum()


def _tokens_alike(tokenizer: Any) -> Tensor:
    """For each token ten that may replace it: digits for a digit, else anything."""
    table = torch.randint(5, len(tokenizer), (len(tokenizer), 10))
    for space in ("", " "):
        digits = [
            tokenizer(f"{space}{d}", add_special_tokens=False)["input_ids"][0] for d in range(10)
        ]
        table[digits] = torch.tensor(digits)
    return table


def _replace_some(batch: PairBatch, alike: Tensor) -> tuple[Tensor, Tensor]:
    """Token ids with some of the response's replaced, and 1 where the token is unchanged."""
    choice = torch.randint(alike.shape[1], batch.ids.shape)
    others = alike[batch.ids, choice]
    chosen = (torch.rand(batch.ids.shape) < _SHARE_REPLACED) & batch.response
    ids = torch.where(chosen, others, batch.ids)
    return ids, (ids == batch.ids).float()
