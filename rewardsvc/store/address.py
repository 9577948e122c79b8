"""Where the store is: `sqlite:///path` or `postgresql://user:password@host:port/database`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from rewardsvc.errors import ConfigError

_ALLOWED = (
    "allowed: sqlite:///relative/path, sqlite:////absolute/path or "
    "postgresql://user:password@host:port/database"
)


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """A checked address. Its text never shows a password."""

    kind: Literal["sqlite", "postgresql"]
    url: URL

    def __str__(self) -> str:
        if self.kind == "sqlite":
            return f"sqlite:///{self.url.database}"
        return self.url.set(drivername="postgresql").render_as_string(hide_password=True)


def parse_address(text: str, base_path: Path = Path()) -> StoreAddress:
    """The address that `text` says; a relative SQLite path starts at `base_path`.

    Raises:
        ConfigError: says what is wrong and what is allowed, without showing a password.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigError(f"store: is no address; {_ALLOWED}") from None
    match url.drivername:
        case "sqlite":
            return StoreAddress("sqlite", _sqlite(url, base_path))
        case "postgresql" | "postgres" | "postgresql+psycopg":
            return StoreAddress("postgresql", _postgresql(url))
        case other:
            raise ConfigError(f"store: is of kind {other!r}; {_ALLOWED}")


def _sqlite(url: URL, base_path: Path) -> URL:
    if not url.database or url.database == ":memory:":
        raise ConfigError(f"store: SQLite needs the path of a file; {_ALLOWED}")
    if url.host or url.query:
        raise ConfigError(
            "store: an SQLite address is a path only, with three slashes before a relative one "
            f"and four before an absolute one; {_ALLOWED}"
        )
    path = base_path / url.database
    if not path.parent.is_dir():
        raise ConfigError(f"store: there is no folder {path.parent} to keep {path.name} in")
    return url.set(database=str(path))


def _postgresql(url: URL) -> URL:
    if not url.database:
        raise ConfigError(f"store: names no database; {_ALLOWED}")
    try:
        import psycopg  # noqa: F401 - an extra: said here, not at the first query
    except ImportError as error:
        raise ConfigError(
            f"store: PostgreSQL needs psycopg ({error}); install rewardsvc[postgres]"
        ) from None
    return url.set(drivername="postgresql+psycopg")
