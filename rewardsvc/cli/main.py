"""The command `rewardsvc` and its subcommands."""

from __future__ import annotations

import typer

from rewardsvc.cli import calibrate, train, verify
from rewardsvc.cli.compare import compare
from rewardsvc.cli.demo import demo
from rewardsvc.cli.rewards import rewards
from rewardsvc.cli.score import score
from rewardsvc.cli.serve import serve

app = typer.Typer(
    name="rewardsvc",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Rewards for RL on language models, over gRPC.",
)
for command in (serve, score, rewards, compare, demo):
    app.command()(command)
app.add_typer(verify.app, name="verify")
app.add_typer(train.app, name="train")
app.add_typer(calibrate.app, name="calibrate")
