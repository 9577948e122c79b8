"""Addresses of stores: what is taken, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewardsvc.errors import ConfigError
from rewardsvc.store import parse_address


def test_a_relative_path_starts_at_the_configuration(tmp_path):
    address = parse_address("sqlite:///labels.db", tmp_path)
    assert address.kind == "sqlite"
    assert Path(address.url.database) == tmp_path / "labels.db"
    assert str(address) == f"sqlite:///{tmp_path}/labels.db"


def test_an_absolute_path_stays_where_it_is(tmp_path):
    address = parse_address(f"sqlite:///{tmp_path}/labels.db", Path("/nowhere"))
    assert Path(address.url.database) == tmp_path / "labels.db"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_postgresql_never_shows_its_password(scheme):
    address = parse_address(f"{scheme}://trainer:s3cret@db.internal:5433/rewards?sslmode=require")
    assert address.kind == "postgresql"
    assert address.url.password == "s3cret"
    assert "s3cret" not in f"{address} {address!r}"
    assert str(address) == "postgresql://trainer:***@db.internal:5433/rewards?sslmode=require"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no address"),
        ("labels.db", "is no address"),
        ("mysql://host/db", "kind 'mysql'"),
        ("sqlite://", "needs the path of a file"),
        ("sqlite:///:memory:", "needs the path of a file"),
        ("sqlite://labels.db/x", "three slashes"),
        ("sqlite:///missing/folder/labels.db", "there is no folder"),
        ("postgresql://host", "names no database"),
        ("postgresql://user:s3cret@host", "names no database"),
        ("postgresql://user:s3cret@host:port/db", "is no address"),
    ],
)
def test_a_wrong_address_says_what_is_allowed(tmp_path, text, said):
    with pytest.raises(ConfigError, match=said) as caught:
        parse_address(text, tmp_path)
    assert "s3cret" not in str(caught.value)
