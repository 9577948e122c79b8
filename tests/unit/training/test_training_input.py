"""Preference pairs, labelled scores and recipes: what is read, and how trouble is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rewardsvc.errors import ConfigError
from rewardsvc.training.encoding import EncodedPair
from rewardsvc.training.labelled_members import load_labelled_members
from rewardsvc.training.preference_pairs import PreferencePair, load_pairs
from rewardsvc.training.recipe import LoraRecipe, Recipe, VoteRecipe
from rewardsvc.training.splits import fold_of, split_by_prompt
from rewardsvc.training.votes import count_votes

GOOD = b'{"prompt": "2+2?", "chosen": "4", "rejected": "5"}\n'


def test_pairs_of_both_forms_are_read(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+2?"}]
    other = {"messages": messages, "chosen": "4", "rejected": "5", "source": "mine"}
    path.write_bytes(GOOD + b"\n" + json.dumps(other).encode())
    first, second = load_pairs(path)
    assert first.messages == (("user", "2+2?"),)
    assert second.messages == (("system", "Be brief."), ("user", "2+2?"))
    assert second.where == f"{path}:3"
    assert second.conversation("4")[-1] == {"role": "assistant", "content": "4"}
    assert second.flipped().chosen == "5"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"prompt": "a", "chosen": "b"}', r":2: rejected: is missing"),
        (b'{"chosen": "b", "rejected": "c"}', r":2: give exactly one of prompt and messages"),
        (b'{"prompt": "a", "chosen": "b", "rejected": "b"}', r":2: chosen and rejected are equal"),
        (b'{"prompt": " ", "chosen": "b", "rejected": "c"}', r":2: prompt: is empty"),
        (b'{"prompt": "a", "chosen": 3, "rejected": "c"}', r":2: chosen: must be text, not int"),
        (b'{"prompt": "a", "chosen": "\\ud800", "rejected": "c"}', r":2: chosen: .*surrogate"),
        (b'{"prompt": "\xff", "chosen": "b", "rejected": "c"}', r":2: not UTF-8: byte 12"),
        (b'{"prompt": "a"', r":2: not valid JSON"),
        (b"[1]", r":2: must be a JSON object"),
        (b'{"prompt": "a", "prompt": "b", "chosen": "b", "rejected": "c"}', "stands twice"),
        (b'{"messages": [], "chosen": "b", "rejected": "c"}', r":2: messages: must be a list"),
        (
            b'{"messages": [{"role": "god", "content": "a"}], "chosen": "b", "rejected": "c"}',
            r":2: messages\[0\].role: is 'god'",
        ),
        (
            b'{"messages": [{"role": "assistant", "content": "a"}], "chosen": "b", '
            b'"rejected": "c"}',
            r":2: messages: the last one is the assistant's",
        ),
    ],
)
def test_a_bad_pair_is_named_by_its_line(tmp_path: Path, line: bytes, message: str) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(GOOD + line + b"\n")
    with pytest.raises(ConfigError, match=message):
        load_pairs(path)


def test_a_file_without_pairs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(b"\n\n")
    with pytest.raises(ConfigError, match="no preference pairs"):
        load_pairs(path)
    with pytest.raises(ConfigError, match=r"absent.jsonl: cannot be read: No such file"):
        load_pairs(tmp_path / "absent.jsonl")


def test_labelled_scores_are_read_with_gaps(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    lines: list[dict[str, Any]] = [
        {"prompt": "p", "members": {"a": 1.5, "b": 2}, "label": 1},
        {"prompt": [{"role": "user", "content": "q"}], "members": {"b": 3, "c": None}, "label": 0},
        {"prompt": "p", "members": {"a": 0.0}, "label": False},
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    data = load_labelled_members(path)
    assert data.names == ("a", "b", "c")
    np.testing.assert_array_equal(
        data.scores, [[1.5, 2, np.nan], [np.nan, 3, np.nan], [0, np.nan, np.nan]]
    )
    np.testing.assert_array_equal(data.labels, [1, 0, 0])
    assert data.prompts[0] == data.prompts[2] != data.prompts[1]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"prompt": "p", "members": {}, "label": 1}', r":1: members: must map"),
        ('{"prompt": "p", "members": {"a": "x"}, "label": 1}', r":1: members.a: must be a number"),
        ('{"prompt": "p", "members": {"a": NaN}, "label": 1}', r":1: NaN is not a finite"),
        ('{"prompt": "p", "members": {"a": 1e999}, "label": 1}', r"a: is not finite"),
        ('{"prompt": "p", "members": {"a": 1}}', r":1: label: is missing"),
        ('{"prompt": "p", "members": {"a": 1}, "label": 2}', r":1: label: is 2.0; must be in"),
        ('{"members": {"a": 1}, "label": 1}', r":1: prompt: must be text or a list"),
        ("", r"has no labelled scores"),
    ],
)
def test_a_bad_label_is_named_by_its_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text(line)
    with pytest.raises(ConfigError, match=message):
        load_labelled_members(path)


def some_pairs(prompts: int) -> list[PreferencePair]:
    return [
        PreferencePair((("user", f"prompt {i // 2}"),), f"good {i}", f"bad {i}")
        for i in range(2 * prompts)
    ]


def test_no_prompt_is_on_two_sides() -> None:
    pairs = some_pairs(50)
    split = split_by_prompt(pairs, 0, 0.1, 0.2)
    sides = [{p.prompt_key for p in part} for part in (split.training, split.validation)]
    sides.append({p.prompt_key for p in split.held_out})
    assert [len(side) for side in sides] == [35, 5, 10]
    assert len(set.union(*sides)) == 50
    again = split_by_prompt(pairs[::-1], 0, 0.1, 0.2)
    assert {p.prompt_key for p in again.held_out} == sides[2]
    assert {p.prompt_key for p in split_by_prompt(pairs, 1, 0.1, 0.2).held_out} != sides[2]


def test_too_few_prompts_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 distinct prompts are too few"):
        split_by_prompt(some_pairs(2), 0, 0.1, 0.1)


def test_folds_are_by_prompt() -> None:
    pairs = some_pairs(30)
    folds = [fold_of(pair, 0, 3) for pair in pairs]
    assert folds[::2] == folds[1::2]
    assert set(folds) == {0, 1, 2}


def test_a_flipped_pair_takes_its_confidences_along() -> None:
    pair = EncodedPair(([1], [2], [11], [10], [21], [20]))
    assert pair.flipped().sequences == ([2], [1], [21], [20], [11], [10])
    assert EncodedPair(([1], [2])).flipped().sequences == ([2], [1])


def test_votes() -> None:
    count = count_votes(np.array([[1.0, 2.0], [-1.0, 3.0], [-1.0, -2.0], [0.0, -1.0]]))
    np.testing.assert_array_equal(count.agreement, [1, 0.5, 0, 0.25])
    np.testing.assert_array_equal(count.suspect, [False, False, True, False])
    assert count_votes(np.array([[0.0, -1.0]]), agreement=0.25).suspect.tolist() == [True]
    with pytest.raises(ValueError, match="finite"):
        count_votes(np.array([[np.nan]]))
    with pytest.raises(ValueError, match="agreement"):
        count_votes(np.array([[1.0]]), agreement=0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"members": 0}, "members: is 0"),
        ({"learning_rate": 0.0}, "learning_rate: is 0"),
        ({"learning_rate": float("nan")}, "learning_rate: is nan"),
        ({"held_out_share": 0.9}, "held_out_share"),
        ({"loss": "hinge"}, "loss: is 'hinge'; allowed"),
        ({"noise_rate": 0.1}, "noise_rate: has no meaning"),
        ({"loss": "unbiased"}, r"noise_rate: is 0.0; must be in \(0, 0.5\)"),
        ({"loss": "label_smoothing", "noise_rate": 0.5}, "noise_rate: is 0.5"),
        ({"confidence_template": "{response}"}, "must contain {confidence}"),
        ({"lora": LoraRecipe(rank=0)}, "lora rank"),
        ({"lora": LoraRecipe(top_layers=0)}, "lora top_layers"),
        ({"votes": VoteRecipe(folds=1)}, "votes: 1 folds"),
        ({"base": "scratch:huge"}, "scratch: is 'huge'; allowed: tiny, small"),
        ({"base": "scratch:tiny", "lora": LoraRecipe()}, "lora: needs a base"),
    ],
)
def test_a_wrong_recipe_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Recipe(**({"base": "somewhere"} | options))
