"""Trains one Bradley-Terry member: AdamW, warm-up and cosine, early stop on validation loss.

Imports torch.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rewardsvc.training.bases import trunk_of
from rewardsvc.training.encoding import CHOSEN, REJECTED, EncodedPair
from rewardsvc.training.losses import LOSSES, confidence_aware
from rewardsvc.training.recipe import Recipe

__all__ = ["History", "pair_scores", "train"]

Report = Callable[[str], None]


@dataclass(slots=True)
class History:
    """What happened: (step, loss, accuracy) of each validation, and the step that was kept."""

    validations: list[tuple[int, float, float]] = field(default_factory=list)
    best_step: int = 0
    best_loss: float = math.inf
    steps: int = 0
    stopped_early: bool = False


def train(
    model: Any,
    training: Sequence[EncodedPair],
    validation: Sequence[EncodedPair],
    recipe: Recipe,
    seed: int,
    report: Report,
) -> History:
    """Trains `model` in place and leaves it, in eval mode, as it was at the best validation.

    Raises:
        FloatingPointError: the loss is no longer finite.
    """
    torch.manual_seed(seed)
    rng = random.Random(seed)  # noqa: S311 (not for secrets)
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(
        trainable, lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    steps_per_epoch = math.ceil(len(training) / recipe.batch_pairs)
    total = steps_per_epoch * recipe.epochs
    warm_up = max(1, round(total * recipe.warm_up_share))

    def rate(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(total - warm_up, 1)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    every = max(1, steps_per_epoch // recipe.validations_per_epoch)
    history = History()
    kept = _weights(model)
    without_progress = 0
    model.train()
    if recipe.gradient_checkpointing:
        model.enable_input_require_grads()  # adapters alone would leave nothing to go back to
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    for _ in range(recipe.epochs):
        for batch in _batches(training, recipe.batch_pairs, rng):
            model.zero_grad(set_to_none=True)
            loss = 0.0
            for part in _micro_batches(batch, recipe.micro_batch_tokens):
                share = pair_loss(_scores(model, part), recipe).sum() / len(batch)
                share.backward()  # type: ignore[no-untyped-call]
                loss += share.item()
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"the loss is {loss} at step {history.steps}; a lower learning rate "
                    f"than {recipe.learning_rate:g} may do"
                )
            nn.utils.clip_grad_norm_(trainable, recipe.gradient_clip)
            optimizer.step()
            schedule.step()
            history.steps += 1
            if history.steps % every and history.steps != total:
                continue
            value, accuracy = _validate(model, validation, recipe)
            history.validations.append((history.steps, value, accuracy))
            report(
                f"step {history.steps}/{total}: training loss {loss:.4f}, validation "
                f"loss {value:.4f}, accuracy {accuracy:.3f}"
            )
            if value < history.best_loss:
                history.best_loss, history.best_step = value, history.steps
                kept = _weights(model)
                without_progress = 0
            else:
                without_progress += 1
                if without_progress >= recipe.patience:
                    history.stopped_early = history.steps < total
                    break
        if without_progress >= recipe.patience:
            break
    model.load_state_dict(kept, strict=False)
    if recipe.gradient_checkpointing:
        model.gradient_checkpointing_disable()
    model.eval()
    return history


def pair_loss(scores: Tensor, recipe: Recipe) -> Tensor:
    """The loss of each pair, (pairs,), from scores (pairs, 2) or, with confidences, (pairs, 6)."""
    loss = LOSSES[recipe.loss](scores[:, CHOSEN] - scores[:, REJECTED], recipe.noise_rate)
    if recipe.confidence_weight:
        loss = loss + recipe.confidence_weight * confidence_aware(*scores[:, 2:].unbind(1))
    return loss


@torch.no_grad()
def pair_scores(model: Any, pairs: Sequence[EncodedPair], tokens: int) -> NDArray[np.float64]:
    """Scores of every sequence of every pair in eval mode, (pairs, sequences a pair).

    `tokens` bounds the padded size of one forward pass.
    """
    was_training = model.training
    model.eval()
    order = sorted(range(len(pairs)), key=lambda index: pairs[index].longest)
    scores = np.zeros((len(pairs), len(pairs[0].sequences) if pairs else 2))
    at = 0
    for part in _micro_batches([pairs[index] for index in order], tokens):
        rows = order[at : at + len(part)]
        scores[rows] = _scores(model, part).double().cpu().numpy()
        at += len(part)
    model.train(was_training)
    return scores


def _scores(model: Any, pairs: Sequence[EncodedPair]) -> Tensor:
    """(pairs, sequences a pair), read at each sequence's last token as the service reads it."""
    trunk, head = trunk_of(model)
    rows = [ids for pair in pairs for ids in pair.sequences]
    device = next(model.parameters()).device
    lengths = torch.tensor([len(ids) for ids in rows], device=device)
    width = int(lengths.max())
    ids = torch.tensor([ids + [0] * (width - len(ids)) for ids in rows], device=device)
    mask = (torch.arange(width, device=device)[None, :] < lengths[:, None]).long()
    hidden = trunk(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    last = hidden[torch.arange(len(rows), device=device), lengths - 1]
    scores: Tensor = head(last)[:, 0].float()
    return scores.view(len(pairs), -1)


def _validate(model: Any, pairs: Sequence[EncodedPair], recipe: Recipe) -> tuple[float, float]:
    """Mean loss and the share of pairs ordered right, ties half."""
    scores = pair_scores(model, pairs, recipe.micro_batch_tokens)
    loss = pair_loss(torch.from_numpy(scores), recipe).mean().item()
    margin = scores[:, CHOSEN] - scores[:, REJECTED]
    return loss, float((np.sign(margin) / 2 + 0.5).mean())


def _batches(
    pairs: Sequence[EncodedPair], size: int, rng: random.Random
) -> list[list[EncodedPair]]:
    """All pairs once, in batches of similar length (little padding), in random order."""
    order = list(range(len(pairs)))
    rng.shuffle(order)
    window = 16 * size
    batches = []
    for at in range(0, len(order), window):
        part = sorted(order[at : at + window], key=lambda index: pairs[index].longest)
        batches += [[pairs[i] for i in part[k : k + size]] for k in range(0, len(part), size)]
    rng.shuffle(batches)
    return batches


def _micro_batches(pairs: Sequence[EncodedPair], tokens: int) -> Iterator[list[EncodedPair]]:
    """The pairs in order, in parts of at most `tokens` when padded, but of one pair at least."""
    part: list[EncodedPair] = []
    width = 0
    for pair in pairs:
        wider = max(width, pair.longest)
        if part and wider * len(pair.sequences) * (len(part) + 1) > tokens:
            yield part
            part, wider = [], pair.longest
        part.append(pair)
        width = wider
    if part:
        yield part


def _weights(model: Any) -> dict[str, Tensor]:
    """A copy of the weights that are trained."""
    names = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    return {k: copy.deepcopy(v.detach()) for k, v in model.state_dict().items() if k in names}
