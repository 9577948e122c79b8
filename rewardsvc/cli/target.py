"""Which server a command talks to: one that runs, or one of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from rewardsvc.cli.local_server import local_server
from rewardsvc.errors import ConfigError

Target = Annotated[
    str | None,
    typer.Option(help="host:port of a running server; several with commas; or dns:///name:port."),
]
ConfigFile = Annotated[
    Path | None, typer.Option(help="In place of --target: start a server of this configuration.")
]
TlsFlag = Annotated[bool, typer.Option("--tls", help="Encrypt; implied by the --tls-… files.")]
TlsAuthority = Annotated[Path | None, typer.Option(help="PEM file of certificates to trust.")]
TlsCertificate = Annotated[Path | None, typer.Option(help="PEM file of one's own certificate.")]
TlsKey = Annotated[Path | None, typer.Option(help="PEM file of its private key.")]
Token = Annotated[
    str | None,
    typer.Option(
        envvar="REWARDSVC_TOKEN", help="Bearer token; better in the environment than here."
    ),
]


_Client = TypeVar("_Client")


def security(
    tls: bool,
    authority: Path | None,
    certificate: Path | None,
    key: Path | None,
    token: str | None,
) -> dict[str, Any]:
    """The client's arguments for a secured server; raises ConfigError for unusable files."""
    from rewardsvc.client import Tls

    files = {"--tls-authority": authority, "--tls-certificate": certificate, "--tls-key": key}
    for option, path in files.items():
        if path is not None and not path.is_file():
            raise ConfigError(f"{option}: {path}: no such file")
    if (certificate is None) != (key is None):
        raise ConfigError("give --tls-certificate and --tls-key together or not at all")
    wanted = tls or any(path is not None for path in files.values())
    return {"tls": Tls(authority, certificate, key) if wanted else None, "token": token}


def client_for(kind: Callable[..., _Client], address: str, **arguments: Any) -> _Client:
    """A client of that kind; what it will not take is a ConfigError."""
    try:
        return kind(address, **arguments)
    except ValueError as error:
        raise ConfigError(str(error)) from None


@contextmanager
def server_at(target: str | None, config: Path | None) -> Iterator[str]:
    """The address to dial; raises ConfigError unless exactly one of the two is given."""
    if (target is None) == (config is None):
        raise ConfigError("give either --target (a running server) or --config (start one)")
    if target is not None:
        yield target
    elif config is not None:
        with local_server(config) as address:
            yield address
