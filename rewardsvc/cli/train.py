"""`rewardsvc train`: ensembles from preference pairs, objectives and centroids from labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from rewardsvc.cli.console import err, number, out, readable_errors
from rewardsvc.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="Train ensembles, objectives, centroids.")


@app.command()
def ensemble(
    pairs: Annotated[
        Path, typer.Option(help="JSON lines of {prompt or messages, chosen, rejected}.")
    ],
    output: Annotated[Path, typer.Option("--out", help="Folder to write the ensemble to.")],
    base: Annotated[
        Path | None, typer.Option(help="Folder of a Hugging Face decoder to start from.")
    ] = None,
    scratch: Annotated[
        str | None, typer.Option(help="Instead of a base: tiny or small, random weights.")
    ] = None,
    members: Annotated[int, typer.Option(help="Number of members.")] = 5,
    seed: Annotated[int, typer.Option(help="Member k is trained with seed + k.")] = 0,
    epochs: Annotated[int, typer.Option()] = 3,
    batch_pairs: Annotated[int, typer.Option(help="Pairs in one step.")] = 32,
    micro_batch_tokens: Annotated[
        int, typer.Option(help="Padded tokens in one forward pass; lower it where memory ends.")
    ] = 32_768,
    gradient_checkpointing: Annotated[
        bool, typer.Option(help="Less memory for a third more time.")
    ] = False,
    learning_rate: Annotated[
        float | None,
        typer.Option(help="Peak rate; when absent 1e-5, with LoRA 1e-4, from scratch 1e-3."),
    ] = None,
    loss: Annotated[
        str, typer.Option(help="bradley_terry, label_smoothing or unbiased.")
    ] = "bradley_terry",
    noise_rate: Annotated[
        float, typer.Option(help="Assumed share of flipped pairs, for the latter two losses.")
    ] = 0.0,
    confidence_weight: Annotated[
        float, typer.Option(help="Weight of the confidence-aware loss (PPO-M); 0 is off.")
    ] = 0.0,
    votes: Annotated[
        str, typer.Option(help="What happens to pairs that voters find wrong: none, drop, flip.")
    ] = "none",
    vote_folds: Annotated[int, typer.Option(help="Folds of the votes.")] = 3,
    voters: Annotated[int, typer.Option(help="Voters a fold.")] = 3,
    vote_agreement: Annotated[
        float, typer.Option(help="A pair is wrong if at most this share votes for its order.")
    ] = 0.0,
    lora_rank: Annotated[
        int | None, typer.Option(help="Train adapters of this rank and a head, not the base.")
    ] = None,
    lora_alpha: Annotated[float | None, typer.Option(help="Twice the rank when absent.")] = None,
    lora_top_layers: Annotated[
        int | None, typer.Option(help="Adapters in the uppermost so many layers only.")
    ] = None,
    patience: Annotated[int, typer.Option(help="Validations without progress before the end.")] = 2,
    validations_per_epoch: Annotated[int, typer.Option()] = 1,
    validation_share: Annotated[float, typer.Option(help="Share of prompts to stop by.")] = 0.1,
    held_out_share: Annotated[float, typer.Option(help="Share of prompts to measure on.")] = 0.1,
    max_length: Annotated[int, typer.Option(help="Longest conversation in tokens.")] = 2048,
    save_dtype: Annotated[
        str, typer.Option(help="auto (the base's own), float32, bfloat16 or float16.")
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads; torch's choice if absent.")] = (
        None
    ),
) -> None:
    """Train a servable ensemble of Bradley-Terry reward models; run again to resume."""
    from rewardsvc.training.recipe import LoraRecipe, Recipe, VoteRecipe

    with readable_errors():
        if (base is None) == (scratch is None):
            raise ConfigError("give exactly one of --base and --scratch")
        if votes not in ("none", "drop", "flip"):
            raise ConfigError(f"--votes: is {votes!r}; allowed: none, drop, flip")
        if save_dtype not in ("auto", "float32", "bfloat16", "float16"):
            raise ConfigError(
                f"--save-dtype: is {save_dtype!r}; allowed: auto, float32, bfloat16, float16"
            )
        lora = None
        if lora_rank is not None:
            lora = LoraRecipe(lora_rank, lora_alpha or 2.0 * lora_rank, top_layers=lora_top_layers)
        elif lora_alpha is not None or lora_top_layers is not None:
            raise ConfigError("--lora-alpha and --lora-top-layers need --lora-rank")
        usual_rate = 1e-3 if scratch else 1e-4 if lora else 1e-5
        recipe = Recipe(
            base=f"scratch:{scratch}" if scratch else str(base),
            members=members,
            seed=seed,
            epochs=epochs,
            batch_pairs=batch_pairs,
            micro_batch_tokens=micro_batch_tokens,
            gradient_checkpointing=gradient_checkpointing,
            learning_rate=usual_rate if learning_rate is None else learning_rate,
            loss=loss,  # type: ignore[arg-type]  # the recipe checks it
            noise_rate=noise_rate,
            confidence_weight=confidence_weight,
            patience=patience,
            validations_per_epoch=validations_per_epoch,
            validation_share=validation_share,
            held_out_share=held_out_share,
            max_length=max_length,
            save_dtype=save_dtype,  # type: ignore[arg-type]
            lora=lora,
            votes=None
            if votes == "none"
            else VoteRecipe(votes, vote_folds, voters, vote_agreement),  # type: ignore[arg-type]
        )
        card = _train(pairs, output, recipe, device, threads)
    _show_card(card)
    trunk = f", trunk: {base}" if lora else ""
    served = f"{{kind: ensemble, directory: {output}{trunk}}}"
    out.print(f"serve with: {served}", highlight=False, markup=False, soft_wrap=True)


@app.command()
def objective(
    scores: Annotated[
        Path, typer.Option(help="JSON lines of {prompt, members: {name: raw score}, label}.")
    ],
    output: Annotated[Path, typer.Option("--out", help="File to write, learned_objective.json.")],
    loss: Annotated[
        str, typer.Option(help="pointwise, within_prompt, or auto: by cross-validation.")
    ] = "auto",
    signed_weights: Annotated[
        bool, typer.Option(help="Allow negative weights, which a policy can exploit.")
    ] = False,
    folds: Annotated[int, typer.Option(help="Folds of the cross-validation, by prompt.")] = 5,
    seed: Annotated[int, typer.Option(help="Of the folds.")] = 0,
) -> None:
    """Fit member weights and their calibration on labelled raw scores."""
    with readable_errors():
        from rewardsvc.aggregate import fit_learned_objective
        from rewardsvc.training.labelled_members import load_labelled_members

        data = load_labelled_members(scores)
        fitted = fit_learned_objective(
            data.scores,
            data.labels,
            data.prompts,
            data.names,
            loss=loss,  # type: ignore[arg-type]  # the fit checks it
            signed_weights=signed_weights,
            folds=folds,
            seed=seed,
            made_from=f"{scores.name}, {len(data.labels)} labelled responses",
        )
        try:
            fitted.save(output)
        except OSError as error:
            raise ConfigError(f"--out: {output}: {error.strerror or error}") from None
    out.print(f"{fitted.version} written to {output}", highlight=False, soft_wrap=True)
    table = Table(box=box.SIMPLE)
    table.add_column("member")
    table.add_column("weight", justify="right")
    for member in sorted(fitted.members, key=lambda m: -abs(m.weight)):
        table.add_row(member.name, f"{member.weight:.3f}")
    out.print(table)
    for key, value in fitted.fit.items():
        out.print(f"{key.replace('_', ' ')}: {value}", highlight=False)


@app.command()
def centroids(
    model: Annotated[Path, typer.Option(help="Folder of a causal language model.")],
    labelled: Annotated[
        Path, typer.Option(help="JSON lines of {prompt or messages, response, label: 0 or 1}.")
    ],
    output: Annotated[Path, typer.Option("--out", help="Folder to write the centroids to.")],
    start_marker: Annotated[
        str, typer.Option(help="What stands before the thinking of a response.")
    ] = "<think>",
    end_marker: Annotated[str, typer.Option(help="What stands behind it.")] = "</think>",
    held_out_share: Annotated[float, typer.Option(help="Share of prompts to measure on.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Of which prompts these are.")] = 0,
    max_length: Annotated[
        int | None, typer.Option(help="Longest input in tokens; the model's when absent.")
    ] = None,
    micro_batch_tokens: Annotated[
        int, typer.Option(help="Tokens computed in one forward pass.")
    ] = 8192,
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads; torch's choice if absent.")] = (
        None
    ),
) -> None:
    """Fit what a hidden-state verifier compares with, on responses labelled right and wrong."""
    with readable_errors():
        if dtype not in ("auto", "float32", "bfloat16", "float16"):
            raise ConfigError(f"--dtype: is {dtype!r}; allowed: auto, float32, bfloat16, float16")
        for name, given in (
            ("max-length", max_length),
            ("micro-batch-tokens", micro_batch_tokens),
            ("threads", threads),
        ):
            if given is not None and given < 1:
                raise ConfigError(f"--{name}: is {given}; must be at least 1")
        _require_torch()
        from rewardsvc.engines.hidden_states.thinking import Markers
        from rewardsvc.engines.loading import Settings
        from rewardsvc.training.centroids import LABELS, fit_centroids

        try:
            markers = Markers(start_marker, end_marker)
        except ValueError as error:
            raise ConfigError(f"--start-marker, --end-marker: {error}") from None
        fitted = fit_centroids(
            labelled,
            model,
            output,
            markers=markers,
            settings=Settings(dtype, device, threads, max_length, micro_batch_tokens),
            held_out_share=held_out_share,
            seed=seed,
            report=_report,
        )
    skipped = ", ".join(f"{count} {why}" for why, count in sorted(fitted.skipped.items()))
    for line in (
        f"centroids of {fitted.success_count} right and {fitted.failure_count} wrong responses",
        f"left out: {skipped or 'none'}",
    ):
        out.print(line, highlight=False, markup=False, soft_wrap=True)
    table = Table(title="Held-out responses, of other prompts", box=box.SIMPLE, show_header=False)
    for name, value in fitted.held_out.items():
        whole = name in ("responses", "prompts")
        table.add_row(name.replace("_", " "), f"{value:.0f}" if whole else number(value))
    out.print(table)
    served = f"{{kind: hidden_state, model: {model}, centroids: {output}}}"
    out.print(f"serve with: {served}", highlight=False, markup=False, soft_wrap=True)
    out.print(
        f"calibrate with: {{method: isotonic, labels: {output / LABELS}}}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _require_torch() -> None:
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError:
        raise ConfigError("training needs torch: pip install 'rewardsvc[models]'") from None


def _report(line: str) -> None:
    err.print(line, highlight=False, markup=False, soft_wrap=True)


def _train(
    pairs: Path, output: Path, recipe: Any, device: str, threads: int | None
) -> dict[str, Any]:
    _require_torch()
    import torch

    from rewardsvc.training.ensemble import train_ensemble

    if threads is not None:
        torch.set_num_threads(threads)

    try:
        return train_ensemble(pairs, output, recipe, device=device, report=_report)
    except FloatingPointError as error:
        raise ConfigError(str(error)) from None


def _show_card(card: dict[str, Any]) -> None:
    table = Table(title="Held-out pairs ordered as labelled", box=box.SIMPLE)
    table.add_column("")
    table.add_column("accuracy", justify="right")
    for group in ("members", "objectives"):
        for name, entry in card[group].items():
            table.add_row(name, f"{entry['held_out_accuracy']:.3f}")
    out.print(table)
    data = card["data"]
    out.print(
        f"{data['pairs']} pairs: {data['training']} to train on, {data['validation']} to stop by, "
        f"{data['held_out']} held out, {data['left_out_as_too_long']} too long",
        highlight=False,
    )
    if data["votes"]:
        out.print(
            f"votes: {data['votes']['suspect_pairs']} pairs look wrong ({data['votes']['action']})",
            highlight=False,
        )
