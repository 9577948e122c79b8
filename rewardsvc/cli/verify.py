"""`rewardsvc verify`: one response, one verifier, no server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from rewardsvc.cli.console import out, readable_errors
from rewardsvc.errors import ConfigError

if TYPE_CHECKING:
    from rewardsvc.types import Verdict

app = typer.Typer(no_args_is_help=True, help="Verify one response without a server.")

ResponseText = Annotated[str, typer.Option(help="The response, or @FILE that holds it.")]


@app.command()
def math(
    response: ResponseText,
    reference: Annotated[list[str], typer.Option(help="A gold answer; several mean any of them.")],
    policy: Annotated[str, typer.Option(help="Name of the math policy.")] = "default",
) -> None:
    """Is the declared answer the reference answer?"""
    from rewardsvc_verifiers.math import MathPolicy, policy_names, verify

    with readable_errors():
        if policy not in policy_names():
            raise ConfigError(f"--policy: is {policy!r}; allowed: {', '.join(policy_names())}")
        references = [_text(text, "--reference") for text in reference]
        _show(verify(_text(response, "--response"), references, MathPolicy.named(policy)))


@app.command("format")
def format_(
    response: ResponseText,
    tag: Annotated[
        list[str] | None, typer.Option(help="A tag that must occur once; in order.")
    ] = None,
    boxed: Annotated[bool, typer.Option(help=r"Whether a \boxed{} answer is needed.")] = False,
    minimum: Annotated[int, typer.Option(help="Fewest characters.")] = 0,
    maximum: Annotated[int | None, typer.Option(help="Most characters.")] = None,
) -> None:
    """Does the response have the required form?"""
    from rewardsvc_verifiers.format import FormatPolicy, verify

    with readable_errors():
        try:
            policy = FormatPolicy(
                required_tags=tuple(tag or ()),
                boxed_answer=boxed,
                minimum_characters=minimum,
                maximum_characters=maximum,
            )
        except ValueError as error:
            raise ConfigError(str(error)) from None
        _show(verify(_text(response, "--response"), policy))


def _text(value: str, option: str) -> str:
    if not value.startswith("@"):
        return value
    try:
        return Path(value[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{option}: {value[1:]} cannot be read: {error}") from None


def _show(verdict: Verdict) -> None:
    table = Table(show_header=False)
    for name, value in (
        ("verdict", verdict.outcome.value),
        ("why", verdict.reason),
        ("stage", verdict.stage),
        ("answer", verdict.answer),
        ("reference", verdict.reference),
        ("answer type", verdict.answer_type),
        ("policy", verdict.policy),
    ):
        if value:
            table.add_row(name, escape(value))
    out.print(table)
