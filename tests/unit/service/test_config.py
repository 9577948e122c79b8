"""A configuration is right, or the error names the file, the key, the value, what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewardsvc.config import Config, load_config, parse_config, with_address
from rewardsvc.errors import ConfigError

GOOD = """
server: {address: "127.0.0.1:0", tenant_shares: {trainer: 4}}
scorers:
  half: {kind: constant, value: 0.5}
  boxed: {kind: format, boxed_answer: true, values: {incorrect: -1}}
rewards:
  both:
    description: Both.
    components: [{scorer: half}, {scorer: boxed, weight: 0.1}]
    combination: weighted_sum
"""


def parse(text: str, base_path: Path = Path("/nowhere")) -> Config:
    return parse_config(text, source="rewards.yaml", base_path=base_path)


def test_a_good_configuration():
    config = parse(GOOD)
    assert config.server.address == "127.0.0.1:0"
    assert config.server.max_message_bytes == 64 * 1024 * 1024
    assert set(config.scorers) == {"half", "boxed"}
    assert [c.weight for c in config.rewards["both"].components] == [1.0, 0.1]
    assert with_address(config, "unix:/tmp/socket").server.address == "unix:/tmp/socket"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("server:", "sever:"), ["sever: unknown key; allowed: rewards, scorers, server",
                                 "did you mean 'server'?"]),
        (("address:", "adress:"), ["server.adress: unknown key", "did you mean 'address'?"]),
        (('"127.0.0.1:0"', "nowhere"), ["server.address: is 'nowhere'", "pattern"]),
        (("trainer: 4", "trainer: -1"),
         ["server.tenant_shares.trainer: is -1", "greater than or equal to 0.01"]),
        (("kind: constant", "kind: constnt"),
         ["scorers.half.kind: is 'constnt'; allowed: code, constant, ",
          "did you mean 'constant'?"]),
        (("kind: constant, ", ""), ["scorers.half.kind: is missing; allowed:"]),
        (("value: 0.5", "value: .nan"), ["scorers.half.value: is nan", "finite"]),
        (("value: 0.5", "value: .inf"), ["scorers.half.value: is inf", "finite"]),
        (("value: 0.5", "value: half"), ["scorers.half.value: is 'half'", "number"]),
        (("incorrect: -1", "incorect: -1"),
         ["scorers.boxed.values.incorect: unknown key; allowed: correct, incorrect, no_answer"]),
        (("scorer: half", "scorer: haf"),
         ["rewards.both.components[0].scorer: is 'haf'; allowed: boxed, half",
          "did you mean 'half'?"]),
        (("scorer: boxed", "scorer: half"),
         ["rewards.both.components[1].scorer: 'half' is named twice"]),
        (("weight: 0.1", "weight: .inf"),
         ["rewards.both.components[1].weight: is inf", "finite"]),
        (("combination: weighted_sum", "combination: sum"),
         ["rewards.both.combination: is 'sum'; allowed: minimum, product"]),
        (("combination: weighted_sum", "confidence: third"),
         ["rewards.both.confidence: is 'third'; allowed: boxed, half"]),
        (("[{scorer: half}, {scorer: boxed, weight: 0.1}]", "[]"),
         ["rewards.both.components: is []", "at least 1 item"]),
        (("weight: 0.1", "calibration: {method: plat, labels: l.jsonl}"),
         ["components[1].calibration.method: is 'plat'; allowed: ", "did you mean 'platt'?",
          "components[1].calibration.labels: no file at /nowhere/l.jsonl"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(change, expected):
    assert change[0] in GOOD
    with pytest.raises(ConfigError) as caught:
        parse(GOOD.replace(*change, 1))
    for part in expected:
        assert part in str(caught.value)
    assert all(line.startswith("rewards.yaml: ") for line in str(caught.value).splitlines())


def test_all_faults_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        parse(GOOD.replace("kind: constant", "kind: x").replace("weighted_sum", "sum"))
    assert "scorers.half.kind" in str(caught.value)
    assert "rewards.both.combination" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "must hold the keys scorers and rewards"),
        ("- a", "must hold the keys"),
        ("scorers: {", "is not valid YAML"),
        ("scorers: {a: {kind: constant}}\nscorers: {}", "the key 'scorers' stands twice"),
        ("scorers: !!python/object/apply:os.system [true]", "is not valid YAML"),
        ("scorers: {a: {kind: constant}}", "rewards: is missing"),
        ("? [a]\n: b", "is no plain text"),
    ],
)
def test_what_is_no_configuration_at_all(text, expected):
    with pytest.raises(ConfigError, match=expected):
        parse(text)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read"):
        load_config(tmp_path / "absent.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"latin\.yaml: cannot be read"):
        load_config(tmp_path / "latin.yaml")


def test_relative_paths_start_at_the_files_folder(tmp_path):
    (tmp_path / "labels.jsonl").write_text("")
    (tmp_path / "c.yaml").write_text(
        GOOD.replace("weight: 0.1", "calibration: {method: isotonic, labels: labels.jsonl}")
    )
    config = load_config(tmp_path / "c.yaml")
    assert config.base_path == tmp_path


def test_an_address_that_is_none_is_refused():
    with pytest.raises(ConfigError, match=r"--address: server\.address: is 'here'"):
        with_address(parse(GOOD), "here")
