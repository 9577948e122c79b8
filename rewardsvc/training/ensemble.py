"""Trains an ensemble from a file of preference pairs and writes it so that it can be served.

    kind: ensemble
    directory: OUT
    trunk: BASE            # where members are adapters

Members differ in their score head, the order of pairs and dropout (Coste et al., arXiv
2310.02743, section 4: same data, different seeds). A run that was interrupted goes on after the
last finished member. Imports torch.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from rewardsvc.aggregate import OBJECTIVES, Standardisation
from rewardsvc.engines.model_files import hash_files
from rewardsvc.errors import ConfigError
from rewardsvc.training.bases import check_base, make_scratch_base, new_member
from rewardsvc.training.encoding import CHOSEN, REJECTED, EncodedPair, encode_pairs
from rewardsvc.training.member import History, pair_scores, train
from rewardsvc.training.preference_pairs import PreferencePair, load_pairs
from rewardsvc.training.recipe import Recipe
from rewardsvc.training.saved_files import open_weights
from rewardsvc.training.splits import Split, fold_of, split_by_prompt
from rewardsvc.training.votes import VoteCount, count_votes
from rewardsvc.training.workspace import Workspace, write_json

__all__ = ["train_ensemble"]

Report = Callable[[str], None]
Encoded = list[tuple[PreferencePair, EncodedPair]]
_VOTER_SEEDS = 1_000_000
"""Voters' seeds begin here, so that no member repeats a voter."""


def train_ensemble(
    pairs: Path, out: Path, recipe: Recipe, *, device: str = "auto", report: Report = print
) -> dict[str, Any]:
    """Trains, standardises and measures; returns the card that is written to `out`.

    Raises:
        ConfigError: the pairs, the base or the folder cannot be used; says which and why.
        FloatingPointError: a loss is no longer finite.
    """
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    runs_on = _device(device)
    base_hash = "" if recipe.scratch else _base_hash(Path(recipe.base))
    loaded = load_pairs(pairs)
    data_hash = hashlib.sha256(pairs.read_bytes()).hexdigest()
    split = split_by_prompt(loaded, recipe.seed, recipe.validation_share, recipe.held_out_share)
    run_hash = recipe.hash_with(data_hash, base_hash)
    workspace = Workspace(out, run_hash, {**recipe.to_json(), "pairs": data_hash})
    run = _Run(recipe, _base(recipe, split, workspace), runs_on, report)
    parts = {part.name: run.encode(getattr(split, part.name)) for part in dataclasses.fields(split)}
    empty = [name for name, encoded in parts.items() if not encoded]
    if empty:
        raise ConfigError(
            f"max_length: no pair of the {empty[0]} part fits {recipe.max_length} tokens"
        )
    votes = workspace.once("votes", lambda: run.vote(parts["training"]))
    training = run.cleaned(parts["training"], votes)
    names = [f"member-{number}" for number in range(1, recipe.members + 1)]
    for number, name in enumerate(names, 1):
        if workspace.finished(name):
            report(f"{name}: finished before")
        else:
            run.train_member(name, recipe.seed + number, training, parts, workspace)
    raw = np.stack([workspace.scores(name) for name in names], axis=-1)
    made_from = f"chosen and rejected responses of {len(raw)} held-out pairs, data {data_hash[:16]}"
    standardisation = Standardisation.fit(raw.reshape(-1, len(names)), names, made_from)
    write_json(out / "standardisation.json", standardisation.to_json())
    _write_held_out(out / "held_out_scores.jsonl", parts["held_out"], raw, names)
    card = {
        "what": f"{recipe.members} Bradley-Terry reward models, one ensemble",
        "made_by": "rewardsvc train ensemble",
        "recipe": recipe.to_json(),
        "data": {
            "file": pairs.name,
            "sha256": data_hash,
            "pairs": len(loaded),
            **{name: len(encoded) for name, encoded in parts.items()},
            "left_out_as_too_long": len(loaded) - sum(map(len, parts.values())),
            "votes": votes["summary"],
        },
        "members": {
            name: json.loads((out / name / "training.json").read_text(encoding="utf-8"))
            | {"held_out_accuracy": _accuracy(raw[..., k])}
            for k, name in enumerate(names)
        },
        "objectives": {
            name: {"held_out_accuracy": _accuracy(_objective(name, standardisation, raw, names))}
            for name in OBJECTIVES
        },
        "note": "Accuracy is the share of held-out pairs ordered as labelled, ties half; if the "
        "labels are noisy, so is it. Held-out prompts are in no training pair.",
        "standardisation": standardisation.version,
        "versions": {"torch": str(torch.__version__), "transformers": transformers.__version__},
    }
    write_json(out / "card.json", card)
    workspace.close()
    return card


class _Run:
    """One run: what every member is trained with."""

    def __init__(self, recipe: Recipe, base: Path, device: torch.device, report: Report) -> None:
        self._recipe = recipe
        self._base = base
        self._device = device
        self._report = report
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(base, local_files_only=True)

    def encode(self, pairs: Sequence[PreferencePair]) -> Encoded:
        """The pairs that fit, with their token ids."""
        recipe = self._recipe
        encoded = encode_pairs(
            self._tokenizer,
            pairs,
            recipe.max_length,
            confidence_template=recipe.confidence_template if recipe.confidence_weight else None,
            seed=recipe.seed,
        )
        return [(pair, ids) for pair, ids in zip(pairs, encoded, strict=True) if ids is not None]

    def vote(self, training: Encoded) -> dict[str, Any]:
        """Margins of voters on the training pairs; nothing where no votes are asked for."""
        recipe = self._recipe.votes
        if recipe is None:
            return {"margins": [], "summary": None}
        folds = np.array([fold_of(p, self._recipe.seed, recipe.folds) for p, _ in training])
        margins = np.zeros((len(training), recipe.voters))
        for fold in range(recipe.folds):
            asked = np.flatnonzero(folds == fold)
            seen = [training[i] for i in np.flatnonzero(folds != fold)]
            if not len(asked):
                continue
            if not seen:
                raise ConfigError(f"votes folds: all training pairs are in one of {recipe.folds}")
            # Voters stop early on pairs of other folds: theirs stay unseen.
            every = max(2, round(1 / self._recipe.validation_share))
            check = seen[::every]
            learn = [item for at, item in enumerate(seen) if at % every] or seen
            for voter in range(recipe.voters):
                seed = self._recipe.seed + _VOTER_SEEDS + fold * recipe.voters + voter
                self._report(f"voter {voter + 1} of fold {fold + 1}/{recipe.folds}")
                model, _, _ = self._trained(seed, learn, check)
                scores = pair_scores(
                    model, [training[i][1] for i in asked], self._recipe.micro_batch_tokens
                )
                margins[asked, voter] = scores[:, CHOSEN] - scores[:, REJECTED]
        count = count_votes(margins, recipe.agreement)
        return {"margins": margins.tolist(), "summary": self._summary(count, training)}

    def cleaned(self, training: Encoded, votes: dict[str, Any]) -> Encoded:
        """The training pairs less, or with the flipped, suspect ones."""
        recipe = self._recipe.votes
        if recipe is None:
            return training
        suspect = count_votes(np.array(votes["margins"]), recipe.agreement).suspect
        both = list(zip(training, suspect, strict=True))
        if recipe.action == "flip":
            return [(p.flipped(), e.flipped()) if bad else (p, e) for (p, e), bad in both]
        kept = [item for item, bad in both if not bad]
        if not kept:
            raise ConfigError("votes: every training pair looks wrong; nothing is left to train on")
        return kept

    def _summary(self, count: VoteCount, training: Encoded) -> dict[str, Any]:
        assert self._recipe.votes is not None
        suspects = [training[i][0].where for i in np.flatnonzero(count.suspect)]
        self._report(f"{len(suspects)} of {len(training)} pairs: {self._recipe.votes.action}")
        return {
            "action": self._recipe.votes.action,
            "suspect_pairs": len(suspects),
            "suspect_lines": [int(where.rsplit(":", 1)[1]) for where in suspects],
            "mean_agreement": round(float(count.agreement.mean()), 4),
        }

    def train_member(
        self,
        name: str,
        seed: int,
        training: Encoded,
        parts: dict[str, Encoded],
        workspace: Workspace,
    ) -> None:
        """Trains a member, keeps its held-out scores and puts it in place."""
        self._report(f"{name}: seed {seed}, {len(training)} pairs")
        model, tokenizer, history = self._trained(
            seed, training, parts["validation"], lambda line: self._report(f"{name}: {line}")
        )

        def write(directory: Path) -> None:
            # Scores are those of the weights as saved, so that serving finds the same.
            self._save(model, tokenizer, directory)
            held_out = [encoded for _, encoded in parts["held_out"]]
            scores = pair_scores(model, held_out, self._recipe.micro_batch_tokens)
            workspace.keep_scores(name, scores[:, [CHOSEN, REJECTED]])
            write_json(directory / "training.json", _told(seed, len(training), history))

        workspace.put_in_place(name, write)

    def _trained(
        self,
        seed: int,
        training: Encoded,
        validation: Encoded,
        report: Report = lambda line: None,
    ) -> tuple[Any, Any, History]:
        model, tokenizer = new_member(self._base, seed, self._recipe.lora)
        history = train(
            model.to(self._device),
            [encoded for _, encoded in training],
            [encoded for _, encoded in validation],
            self._recipe,
            seed,
            report,
        )
        return model, tokenizer, history

    def _save(self, model: Any, tokenizer: Any, directory: Path) -> None:
        if self._recipe.lora is None:
            # Rotary frequencies are buffers and made anew on loading: they must not be rounded.
            buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
            model.to(self._save_dtype()).save_pretrained(directory)
            model.float()
            for name, buffer in model.named_buffers():
                buffer.copy_(buffers[name])
        else:
            model.save_pretrained(directory)
            (directory / "README.md").unlink(missing_ok=True)  # PEFT's empty form
        tokenizer.save_pretrained(directory)
        open_weights(directory)

    def _save_dtype(self) -> torch.dtype:
        name = self._recipe.save_dtype
        if name == "auto":
            config = json.loads((self._base / "config.json").read_text(encoding="utf-8"))
            name = config.get("dtype") or config.get("torch_dtype") or "float32"
        dtype = getattr(torch, name, None)
        return dtype if isinstance(dtype, torch.dtype) else torch.float32


def _base_hash(base: Path) -> str:
    check_base(base)
    return hash_files(base / "config.json", base / "tokenizer.json")


def _base(recipe: Recipe, split: Split, workspace: Workspace) -> Path:
    if recipe.scratch is None:
        return Path(recipe.base)
    base = workspace.work / "base"
    if not base.is_dir():
        partial = workspace.work / "base.partial"
        shutil.rmtree(partial, ignore_errors=True)
        make_scratch_base(recipe.scratch, split.training, recipe.max_length, recipe.seed, partial)
        os.replace(partial, base)
    return base


def _told(seed: int, pairs: int, history: History) -> dict[str, Any]:
    return {
        "seed": seed,
        "training_pairs": pairs,
        "steps": history.steps,
        "best_step": history.best_step,
        "stopped_early": history.stopped_early,
        "validations": [
            {"step": step, "loss": round(loss, 6), "accuracy": round(accuracy, 4)}
            for step, loss, accuracy in history.validations
        ],
    }


def _objective(
    name: str, standardisation: Standardisation, raw: NDArray[np.float64], names: Sequence[str]
) -> NDArray[np.float64]:
    standardised = standardisation.apply(raw.reshape(-1, len(names)), names)
    return OBJECTIVES[name].with_parameters()(standardised).reshape(raw.shape[:2])


def _accuracy(scores: NDArray[np.float64]) -> float:
    """Share of (pairs, [chosen, rejected]) rows that are ordered as labelled, ties half."""
    return round(float((np.sign(scores[:, CHOSEN] - scores[:, REJECTED]) / 2 + 0.5).mean()), 4)


def _write_held_out(
    path: Path, pairs: Encoded, raw: NDArray[np.float64], names: Sequence[str]
) -> None:
    """What `rewardsvc train objective` reads: the chosen response labelled 1, the other 0."""
    with path.open("w", encoding="utf-8") as file:
        for (pair, _), scores in zip(pairs, raw, strict=True):
            prompt = [{"role": role, "content": content} for role, content in pair.messages]
            for side, label in ((CHOSEN, 1), (REJECTED, 0)):
                members = dict(zip(names, scores[side].tolist(), strict=True))
                record = {"prompt": prompt, "members": members, "label": label}
                file.write(json.dumps(record, ensure_ascii=False) + "\n")


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device: is {name!r}; allowed: auto, cpu, cuda, cuda:N") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device: is {name!r}, but there is no GPU that torch can use")
    return device
