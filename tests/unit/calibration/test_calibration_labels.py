"""Label files: what is read, and what is refused with its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rewardsvc.calibration import LabelledScores, load_labels
from rewardsvc.errors import ConfigError


def write(path: Path, *lines: str) -> Path:
    file = path / "labels.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def test_reads_scores_and_labels(tmp_path: Path) -> None:
    data = load_labels(
        write(
            tmp_path,
            '{"score": -1.5, "label": 0}',
            "",
            '{"score": 2, "label": 0.75, "sample_id": "x"}',
        )
    )
    np.testing.assert_array_equal(data.scores, [-1.5, 2.0])
    np.testing.assert_array_equal(data.labels, [0.0, 0.75])
    assert (data.cluster_ids, data.domains, data.sources) == (("", ""),) * 3
    assert data.inclusion_probabilities is not None
    np.testing.assert_array_equal(data.inclusion_probabilities, [1.0, 1.0])


def test_reads_where_labels_come_from(tmp_path: Path) -> None:
    line = (
        '{"score": 1, "label": 1, "cluster_id": "p1", "domain": "algebra", '
        '"inclusion_probability": 0.25, "source": "person"}'
    )
    data = load_labels(write(tmp_path, line))
    assert (data.cluster_ids, data.domains, data.sources) == (("p1",), ("algebra",), ("person",))
    assert data.inclusion_probabilities is not None
    assert data.inclusion_probabilities[0] == 0.25


def test_a_file_without_labels_is_empty(tmp_path: Path) -> None:
    assert len(load_labels(write(tmp_path, ""))) == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not valid JSON"),
        ("[1, 2]", "must be an object"),
        ("[" * 100_000, "not valid JSON"),
        ('{"score": 1}', "label: is missing"),
        ('{"label": 1}', "score: is missing"),
        ('{"score": 1, "label": 1, "lable": 0}', "lable: unknown field; allowed: cluster_id"),
        ('{"score": 1, "label": 1, "label": 0}', "a field stands twice"),
        ('{"score": NaN, "label": 1}', "NaN is not a number"),
        ('{"score": -Infinity, "label": 1}', "-Infinity is not a number"),
        ('{"score": 1e999, "label": 1}', "score: is not finite"),
        ('{"score": 1' + "0" * 400 + ', "label": 1}', "score: is not finite"),
        ('{"score": 1, "label": 1.5}', "label: is 1.5; must be in [0, 1]"),
        ('{"score": 1, "label": -1}', "label: is -1.0; must be in [0, 1]"),
        ('{"score": "1", "label": 1}', "score: is '1'; must be a number"),
        ('{"score": 1, "label": true}', "label: is True; must be a number"),
        ('{"score": 1, "label": 1, "inclusion_probability": 0}', "inclusion_probability: is 0.0"),
        ('{"score": 1, "label": 1, "domain": 3}', "domain: is 3; must be a text"),
        ('{"score": null, "label": 1}', "score: is None; must be a number"),
    ],
)
def test_wrong_lines_are_refused_with_their_place(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path, '{"score": 0, "label": 0}', line)
    with pytest.raises(ConfigError) as caught:
        load_labels(path)
    assert caught.value.message.startswith(f"{path}:2: {message}")


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.jsonl: cannot be read"):
        load_labels(tmp_path / "nowhere.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b'{"score": 1, "label": 1, "sample_id": "\xe9"}')
    with pytest.raises(ConfigError, match=r"latin\.jsonl: cannot be read"):
        load_labels(tmp_path / "latin.jsonl")


@pytest.mark.parametrize(
    ("scores", "labels"),
    [([1.0], [1.0, 0.0]), ([np.nan], [1.0]), ([1.0], [np.nan]), ([1.0], [1.1])],
)
def test_labelled_scores_are_checked(scores: list[float], labels: list[float]) -> None:
    with pytest.raises(ValueError, match=r"shape|finite|\[0, 1\]"):
        LabelledScores(np.array(scores), np.array(labels))


@pytest.mark.parametrize(
    "wrong",
    [
        {"cluster_ids": ("a",)},
        {"sources": ("a", "b", "c")},
        {"inclusion_probabilities": np.array([1.0, 0.0])},
        {"inclusion_probabilities": np.array([1.0, np.nan])},
        {"inclusion_probabilities": np.array([1.0])},
    ],
)
def test_what_goes_with_labels_is_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LabelledScores(np.zeros(2), np.zeros(2), **wrong)
