"""Frozen per-member statistics, and what is refused in their file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rewardsvc.aggregate import IDENTITY, MemberStatistics, Standardisation
from rewardsvc.errors import ConfigError

SCORES = np.array([[1.0, 10.0], [3.0, 30.0]])


def test_fit_and_apply() -> None:
    fitted = Standardisation.fit(SCORES, ["a", "b"], "two samples")
    assert (fitted.members["b"].mean, fitted.members["b"].std) == (20.0, 10.0)
    np.testing.assert_array_equal(fitted.apply(SCORES, ["a", "b"]), [[-1, -1], [1, 1]])
    np.testing.assert_array_equal(fitted.apply(SCORES[:, ::-1], ["b", "a"]), [[-1, -1], [1, 1]])


def test_identity_changes_nothing() -> None:
    np.testing.assert_array_equal(IDENTITY.apply(SCORES, ["a", "b"]), SCORES)
    assert IDENTITY.version == "none"


def test_overflow_is_a_failure_not_infinity() -> None:
    tiny = Standardisation({"a": MemberStatistics(0.0, 1e-300)})
    assert np.isnan(tiny.apply(np.array([[1e300]]), ["a"])).all()


@pytest.mark.parametrize("column", [[1.0, 1.0], [1.0, np.nan], [np.inf, 0.0]])
def test_members_that_do_not_vary_cannot_be_fitted(column: list[float]) -> None:
    with pytest.raises(ConfigError, match="member a cannot be standardised"):
        Standardisation.fit(np.array(column)[:, None], ["a"], "")


def test_round_trip(tmp_path: Path) -> None:
    fitted = Standardisation.fit(SCORES, ["a", "b"], "two samples")
    path = tmp_path / "standardisation.json"
    path.write_text(json.dumps(fitted.to_json()))
    loaded = Standardisation.load(path)
    assert loaded == fitted
    assert loaded.version == fitted.version


GOOD: dict[str, Any] = {"members": {"a": {"mean": 0.0, "std": 1.0}}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "must be a JSON object"),
        ("{", "cannot be read as JSON"),
        ("{}", "members: must map"),
        ('{"members": {}}', "members: must map"),
        (json.dumps({**GOOD, "memebrs": 1}), "unknown key 'memebrs'; allowed: version"),
        (json.dumps({**GOOD, "made_from": 1}), "made_from: must be text, not 1"),
        (json.dumps({**GOOD, "version": "old"}), "version: is 'old', but the content's is"),
        ('{"members": {"a": {"mean": 0}}}', "members.a: must have exactly the keys"),
        ('{"members": {"a": {"mean": 0, "std": 0}}}', "members.a.std: must be > 0, not 0"),
        ('{"members": {"a": {"mean": 0, "std": -1}}}', "members.a.std: must be > 0, not -1"),
        ('{"members": {"a": {"mean": NaN, "std": 1}}}', "members.a.mean: must be a finite"),
        ('{"members": {"a": {"mean": 0, "std": 1e999}}}', "members.a.std: must be a finite"),
        ('{"members": {"a": {"mean": true, "std": 1}}}', "members.a.mean: must be a finite"),
    ],
)
def test_wrong_files_are_refused_with_the_key(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "standardisation.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"standardisation\.json") as caught:
        Standardisation.load(path)
    assert message in caught.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.json: no such file"):
        Standardisation.load(tmp_path / "nowhere.json")
