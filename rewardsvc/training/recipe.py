"""How an ensemble is trained: every number that decides the result, checked. Loads no torch."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from rewardsvc.errors import ConfigError

__all__ = ["SCRATCH_SIZES", "LoraRecipe", "LossName", "Recipe", "VoteRecipe"]

LossName = Literal["bradley_terry", "label_smoothing", "unbiased"]
SCRATCH_SIZES = ("tiny", "small")


@dataclass(frozen=True, slots=True)
class LoraRecipe:
    """Low-rank adapters on the base's linear layers; the score head is trained whole."""

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.05
    top_layers: int | None = None
    """Only the uppermost so many layers have adapters; members then share the layers below."""


@dataclass(frozen=True, slots=True)
class VoteRecipe:
    """How badly labelled training pairs are found (`votes`) and what is done with them."""

    action: Literal["drop", "flip"] = "drop"
    folds: int = 3
    voters: int = 3
    agreement: float = 0.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """Options of a run; `base` is a model folder, or `scratch:tiny`, `scratch:small`."""

    base: str
    members: int = 5
    seed: int = 0
    """Member k has seed + k: its score head, order of pairs and dropout."""
    epochs: int = 3
    batch_pairs: int = 32
    """Pairs in one step of the optimiser."""
    micro_batch_tokens: int = 32_768
    """Padded tokens in one forward pass; a step's gradients are summed over its passes."""
    gradient_checkpointing: bool = False
    """Computes activations twice rather than keep them: less memory, a third more time."""
    learning_rate: float = 1e-5
    weight_decay: float = 0.01
    warm_up_share: float = 0.1
    """Share of the steps over which the rate rises; then it falls to 0 as a cosine."""
    gradient_clip: float = 1.0
    loss: LossName = "bradley_terry"
    noise_rate: float = 0.0
    """Assumed share of flipped pairs, of label_smoothing and unbiased."""
    confidence_weight: float = 0.0
    """Weight of PPO-M's confidence-aware loss beside the preference loss; 0 is off."""
    confidence_template: str = "{response}\n\nConfidence: {confidence}."
    patience: int = 2
    """Validations without a better loss after which training ends; the best is kept."""
    validations_per_epoch: int = 1
    validation_share: float = 0.1
    held_out_share: float = 0.1
    max_length: int = 2048
    """Longest conversation in tokens; longer pairs are left out and counted."""
    save_dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """auto: the base's own; from scratch, float32."""
    lora: LoraRecipe | None = None
    votes: VoteRecipe | None = None

    def __post_init__(self) -> None:
        """Checks every number.

        Raises:
            ConfigError: names the option, its value and what is allowed.
        """
        _at_least(self, 1, "members", "epochs", "batch_pairs", "patience", "validations_per_epoch")
        _at_least(self, 8, "max_length", "micro_batch_tokens")
        _between(self, "learning_rate", 0, 1, lowest_allowed=False)
        _between(self, "weight_decay", 0, 1)
        _between(self, "warm_up_share", 0, 1)
        _between(self, "gradient_clip", 0, math.inf, lowest_allowed=False)
        _between(self, "confidence_weight", 0, 1e6)
        for share in ("validation_share", "held_out_share"):
            _between(self, share, 0, 0.5, lowest_allowed=False)
        if self.loss not in get_args(LossName):
            allowed = ", ".join(get_args(LossName))
            raise ConfigError(f"loss: is {self.loss!r}; allowed: {allowed}")
        if self.loss == "bradley_terry":
            if self.noise_rate != 0:
                raise ConfigError("noise_rate: has no meaning for loss bradley_terry")
        elif not 0 < self.noise_rate < 0.5:
            raise ConfigError(f"noise_rate: is {self.noise_rate}; must be in (0, 0.5)")
        for placeholder in ("{response}", "{confidence}"):
            if placeholder not in self.confidence_template:
                raise ConfigError(f"confidence_template: must contain {placeholder}")
        if self.scratch and self.lora:
            raise ConfigError("lora: needs a base model; adapters on random weights learn nothing")
        if self.lora:
            _check_lora(self.lora)
        if self.votes:
            _check_votes(self.votes)

    @property
    def scratch(self) -> str | None:
        """The size of a model from scratch, or None where there is a base model.

        Raises:
            ConfigError: there is no such size.
        """
        if not self.base.startswith("scratch:"):
            return None
        size = self.base.removeprefix("scratch:")
        if size not in SCRATCH_SIZES:
            raise ConfigError(f"scratch: is {size!r}; allowed: {', '.join(SCRATCH_SIZES)}")
        return size

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)

    def hash_with(self, *others: str) -> str:
        """Equal for runs that would give the same members (on one machine)."""
        content = json.dumps([self.to_json(), *others], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def _at_least(recipe: Recipe, least: int, *names: str) -> None:
    for name in names:
        if getattr(recipe, name) < least:
            raise ConfigError(f"{name}: is {getattr(recipe, name)}; must be at least {least}")


def _between(
    recipe: Recipe, name: str, low: float, high: float, *, lowest_allowed: bool = True
) -> None:
    value = getattr(recipe, name)
    fits = (low <= value if lowest_allowed else low < value) and value <= high
    if not (math.isfinite(value) and fits):
        opening = "[" if lowest_allowed else "("
        raise ConfigError(f"{name}: is {value}; must be in {opening}{low:g}, {high:g}]")


def _check_lora(lora: LoraRecipe) -> None:
    if lora.rank < 1:
        raise ConfigError(f"lora rank: is {lora.rank}; must be at least 1")
    if not (math.isfinite(lora.alpha) and lora.alpha > 0):
        raise ConfigError(f"lora alpha: is {lora.alpha}; must be > 0")
    if not 0 <= lora.dropout < 1:
        raise ConfigError(f"lora dropout: is {lora.dropout}; must be in [0, 1)")
    if lora.top_layers is not None and lora.top_layers < 1:
        raise ConfigError(f"lora top_layers: is {lora.top_layers}; must be at least 1")


def _check_votes(votes: VoteRecipe) -> None:
    if votes.folds < 2 or votes.voters < 1:
        raise ConfigError(
            f"votes: {votes.folds} folds and {votes.voters} voters; at least 2 and 1 are needed"
        )
    if not 0 <= votes.agreement < 0.5:
        raise ConfigError(f"votes agreement: is {votes.agreement}; must be in [0, 0.5)")
