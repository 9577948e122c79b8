"""`rewardsvc calibrate`: record gold labels, fit calibrators on them, and read what is known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from rewardsvc.cli.console import number, out, readable_errors
from rewardsvc.cli.target import (
    TlsAuthority,
    TlsCertificate,
    TlsFlag,
    TlsKey,
    Token,
    client_for,
    security,
)

if TYPE_CHECKING:
    from rewardsvc.client import Client
    from rewardsvc.labels.types import Calibration, RateEstimate

app = typer.Typer(
    no_args_is_help=True,
    help="Record gold labels, fit calibrators on them, and read what is known.",
)

Target = Annotated[
    str, typer.Option(help="host:port of a running server; several with commas; or dns:///name.")
]
Reward = Annotated[str, typer.Option(help="Name of the reward.")]
Scorer = Annotated[str, typer.Option(help="Its scorer; may be left out when it has only one.")]
Domain = Annotated[str, typer.Option(help="One domain; all when left out.")]

_CURVE_ROWS = 15


@app.command()
def record(
    source: Annotated[Path, typer.Argument(metavar="LABELS.jsonl", help="One label a line.")],
    target: Target,
    reward: Reward,
    scorer: Scorer = "",
    results: Annotated[
        Path | None,
        typer.Option(
            help="Results of `rewardsvc score`, from which labels without a score, outcome, "
            "stage or answer_type take theirs, by sample_id."
        ),
    ] = None,
    tls: TlsFlag = False,
    tls_authority: TlsAuthority = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    token: Token = None,
) -> None:
    """Store gold labels; one of the same sample and source takes the older one's place.

    A line is a JSON object with sample_id and value (how right the response is, in [0, 1]),
    and may hold score, source (person, oracle, judge), cluster_id (samples of one prompt share
    it), outcome, stage, answer_type, domain and inclusion_probability.

    Recording the same file again changes nothing.
    """
    from rewardsvc.cli.label_files import labels_in

    with readable_errors():
        labels = labels_in(source, results, scorer)
        with _client(target, tls, tls_authority, tls_certificate, tls_key, token) as client:
            done = client.record_labels(reward, labels, scorer=scorer)
        out.print(f"{done.recorded:,} labels recorded, {done.replaced:,} of them changed")


@app.command()
def fit(
    target: Target,
    reward: Reward,
    scorer: Scorer = "",
    domain: Domain = "",
    method: Annotated[
        str, typer.Option(help="E.g. isotonic; the configured one when left out.")
    ] = "",
    tls: TlsFlag = False,
    tls_authority: TlsAuthority = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    token: Token = None,
) -> None:
    """Fit a calibrator on the stored labels and put it in force on every replica."""
    with (
        readable_errors(),
        _client(target, tls, tls_authority, tls_certificate, tls_key, token) as client,
    ):
        _show(client.fit_calibrator(reward, scorer=scorer, domain=domain, method=method))


@app.command()
def show(
    target: Target,
    reward: Reward,
    scorer: Scorer = "",
    domain: Domain = "",
    version: Annotated[str, typer.Option(help="An older version.")] = "",
    tls: TlsFlag = False,
    tls_authority: TlsAuthority = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    token: Token = None,
) -> None:
    """Show a calibrator: its curve, its quality on held-out labels, what it was fitted on."""
    with (
        readable_errors(),
        _client(target, tls, tls_authority, tls_certificate, tls_key, token) as client,
    ):
        _show(client.calibration(reward, scorer=scorer, domain=domain, version=version))


@app.command()
def rates(
    target: Target,
    reward: Reward,
    scorer: Scorer = "",
    domain: Domain = "",
    tls: TlsFlag = False,
    tls_authority: TlsAuthority = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    token: Token = None,
) -> None:
    """Show how often a verifier errs, by stage, answer type and domain."""
    with (
        readable_errors(),
        _client(target, tls, tls_authority, tls_certificate, tls_key, token) as client,
    ):
        known = client.noise_rates(reward, scorer=scorer, domain=domain)
    if not known.rates:
        out.print("nothing is known yet: record labels with an outcome, or audit the verifier")
        return
    table = Table(title=f"Error rates, 90 % intervals, version {known.version}")
    for heading in ("stage", "answer type", "domain", "wrong but accepted", "right but rejected"):
        table.add_column(heading)
    for rate in known.rates:
        kind = (escape(name) or "all" for name in (rate.stage, rate.answer_type, rate.domain))
        table.add_row(*kind, _rate(rate.false_positive_rate), _rate(rate.false_negative_rate))
    out.print(table)


@contextmanager
def _client(
    target: str,
    tls: bool,
    authority: Path | None,
    certificate: Path | None,
    key: Path | None,
    token: str | None,
) -> Iterator[Client]:
    from rewardsvc.client import Client, Retry

    secured: dict[str, Any] = security(tls, authority, certificate, key, token)
    retry = Retry(attempts=3)  # a person waits for the answer
    with client_for(Client, target, retry=retry, **secured) as client:
        yield client


def _show(calibration: Calibration) -> None:
    facts = Table(title=f"Calibrator {calibration.version}", show_header=False)
    facts.add_row("method", calibration.method)
    facts.add_row("domain", escape(calibration.domain) or "all")
    facts.add_row("fitted", f"{calibration.fitted_at:%Y-%m-%d %H:%M} UTC")
    facts.add_row("labels", f"{calibration.labels:,} of {calibration.clusters:,} clusters")
    for name, value in sorted(calibration.metrics.items()):
        facts.add_row(name.replace("_", " "), number(value, 4))
    out.print(facts)
    curve = Table(title="Probability of being right, with its 90 % interval")
    for heading in ("score", "probability", "from", "to"):
        curve.add_column(heading, justify="right")
    points = calibration.curve
    kept = min(_CURVE_ROWS, len(points))
    for row in range(kept):
        point = points[row * (len(points) - 1) // max(kept - 1, 1)]
        columns = (point.probability, point.lower, point.upper)
        curve.add_row(f"{point.score:.4g}", *map(number, columns))
    out.print(curve)
    for warning in calibration.warnings:
        out.print(f"[yellow]note:[/yellow] {escape(warning)}", highlight=False)


def _rate(rate: RateEstimate) -> str:
    return (
        f"{number(rate.rate)} ({number(rate.lower)} to {number(rate.upper)}), "
        f"{rate.labels:,.0f} labels"
    )
