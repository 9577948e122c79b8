"""`rewardsvc calibrate` as its user runs it, against a server in a process of its own."""

from __future__ import annotations

import json

import pytest
from fixtures.processes import ServerProcess
from typer.testing import CliRunner

from rewardsvc.cli.main import app

CONFIG = """
server: {store: "sqlite:///labels.db"}
scorers: {boxed: {kind: format, boxed_answer: true}, one: {kind: constant, value: 1}}
rewards:
  boxed: {components: [{scorer: boxed, calibration: {method: isotonic}}]}
  both: {components: [{scorer: boxed}, {scorer: one}]}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    process = ServerProcess(tmp_path_factory.mktemp("server"), CONFIG)
    process.ready()
    yield process.address
    process.stop()


@pytest.fixture
def calibrate(server):
    def run(command, *arguments, reward="boxed"):
        options = ["--target", server, "--reward", reward]
        words = ["calibrate", command, *map(str, arguments), *options]
        return CliRunner(env={"COLUMNS": "200"}).invoke(app, words)

    return run


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_from_results_and_gold_labels_to_a_calibrator(calibrate, server, tmp_path):
    samples = [
        {"sample_id": f"s{n}", "prompt": f"p{n // 4}", "response": r"\boxed{1}" if n % 2 else "1"}
        for n in range(80)
    ]
    scored = tmp_path / "scored.jsonl"
    words = ["score", str(write(tmp_path / "samples.jsonl", samples)), "--output", str(scored)]
    done = CliRunner().invoke(app, [*words, "--reward", "both", "--target", server])
    assert done.exit_code == 0, done.output
    gold = write(
        tmp_path / "gold.jsonl",
        [
            {
                "sample_id": f"s{n}",
                "value": float((n // 2) % 10 < (9 if n % 2 else 2)),
                "cluster_id": f"p{n // 4}",
            }
            for n in range(80)
        ],
    )
    unscored = calibrate("record", gold)
    assert unscored.exit_code == 0 and "80 labels recorded, 0 of them changed" in unscored.output
    useless = calibrate("fit")
    assert useless.exit_code == 2
    assert "80 labels have no score" in useless.output

    recorded = calibrate("record", gold, "--results", scored, "--scorer", "boxed")
    assert "80 labels recorded, 80 of them changed" in recorded.output
    fitted = calibrate("fit")
    assert fitted.exit_code == 0, fitted.output
    assert "80 of 20 clusters" in fitted.output
    assert "0.900" in fitted.output and "0.200" in fitted.output
    assert calibrate("show").output == fitted.output

    older = calibrate("show", "--version", "isotonic-0")
    assert older.exit_code == 2 and "there are: isotonic-" in older.output
    several = calibrate("fit", reward="both")
    assert several.exit_code == 2 and "it has: boxed, one" in several.output


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"sample_id": "a"}', ":1.value: is missing"),
        ('{"sample_id": "a", "value": 2}', "labels[0].value: is 2.0; must be in [0, 1]"),
        ('{"sample_id": "a", "value": NaN}', ":1: holds NaN"),
        ('{"sample_id": "a", "value": 1, "scor": 1}', ":1.scor: is an unknown key; allowed: sam"),
        ('{"sample_id": "a", "value": 1', ":1: is not valid JSON"),
        ("[1]", ":1: must be an object"),
        ('{"sample_id": "a", "value": 1e999}', "labels[0].value: is inf"),
    ],
)
def test_a_wrong_line_is_named(calibrate, tmp_path, line, said):
    source = tmp_path / "labels.jsonl"
    source.write_text(line + "\n")
    done = calibrate("record", source)
    assert done.exit_code == 2
    assert said in done.output


def test_a_label_without_a_result_is_named(calibrate, tmp_path):
    gold = write(tmp_path / "gold.jsonl", [{"sample_id": "a", "value": 1}])
    scored = write(tmp_path / "scored.jsonl", [{"sample_id": "b", "score": 1.0}])
    done = calibrate("record", gold, "--results", scored)
    assert done.exit_code == 2
    assert ":1: sample_id: 'a' is not in" in done.output


def test_rates_before_anything_is_known(calibrate):
    done = calibrate("rates", "--scorer", "one", reward="both")
    assert done.exit_code == 0
    assert "nothing is known yet" in done.output
