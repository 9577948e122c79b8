"""`rewardsvc score` as its user runs it: files in, files out, whatever happens in between."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures.processes import ServerProcess

CONFIG = """
scorers: {boxed: {kind: format, boxed_answer: true}}
rewards: {boxed: {components: [{scorer: boxed}]}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    process = ServerProcess(tmp_path_factory.mktemp("server"), CONFIG)
    process.ready()
    yield process.address
    process.stop()


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "rewardsvc", *map(str, arguments)]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=120, check=False
    )


def score(server: str, source: Path, output: Path, *more: object):
    options = ("--output", output, "--reward", "boxed", "--target", server)
    return run("score", source, *options, *more)


def results(output: Path) -> dict[str, dict]:
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert len({line["sample_id"] for line in lines}) == len(lines), "an id occurs twice"
    return {line["sample_id"]: line for line in lines}


def sample(number: int) -> dict:
    text = rf"\boxed{{{number}}}" if number % 2 else "no box"
    return {"sample_id": f"s{number}", "prompt": f"p{number // 4}", "response": text}


def write(path: Path, *records: object) -> Path:
    lines = (r if isinstance(r, bytes) else json.dumps(r).encode() for r in records)
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def test_every_sample_comes_out_once_with_its_reward(server, tmp_path):
    source = write(tmp_path / "in.jsonl", *map(sample, range(1000)))
    done = score(server, source, tmp_path / "out.jsonl")
    assert done.returncode == 0, done.stderr
    scored = results(tmp_path / "out.jsonl")
    assert {name: line["reward"] for name, line in scored.items()} == {
        f"s{n}": float(n % 2) for n in range(1000)
    }
    line = scored["s0"]
    assert line["status"] == "ok"
    assert line["verdict"]["reason"] == r"\boxed{…} is missing."
    assert line["versions"]["reward"].startswith("reward-")
    assert "1,000" in done.stdout
    assert "verdict correct" in done.stdout


def test_a_run_that_was_cut_off_goes_on_where_it_stopped(server, tmp_path):
    source = write(tmp_path / "in.jsonl", *map(sample, range(200)))
    output = tmp_path / "out.jsonl"
    assert score(server, source, output).returncode == 0
    whole = output.read_bytes().splitlines(keepends=True)
    output.write_bytes(b"".join(whole[:80]) + whole[80][:25])
    done = score(server, source, output)
    assert done.returncode == 0, done.stderr
    assert len(results(output)) == 200
    assert output.read_bytes().startswith(b"".join(whole[:80]))
    assert "skipped, in the output already" in done.stdout


def test_a_command_killed_in_mid_run_loses_nothing_that_was_written(server, tmp_path):
    count = 20_000
    source = write(tmp_path / "in.jsonl", *map(sample, range(count)))
    output = tmp_path / "out.jsonl"
    options = ("--output", output, "--reward", "boxed", "--target", server)
    process = subprocess.Popen(
        command("score", source, *options), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not output.exists() or output.stat().st_size < 100_000:
        assert process.poll() is None, "it was too fast to be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = output.read_bytes()
    assert 0 < kept.count(b"\n") < count
    done = score(server, source, output)
    assert done.returncode == 0, done.stderr
    assert output.read_bytes().startswith(kept[: kept.rindex(b"\n") + 1])
    assert len(results(output)) == count


def test_lines_that_are_no_samples_become_errors_that_name_line_and_field(server, tmp_path):
    good = {"prompt": "p", "response": r"\boxed{1}"}
    source = write(
        tmp_path / "in.jsonl",
        good,
        b'{"prompt": "p", "response": "\xff"}',
        b"{not json",
        b'{"prompt": "p", "response": "r", "reference": NaN}',
        b'{"prompt": "p", "response": "r", "weight": 1e999}',
        {"prompt": "p"},
        {"prompt": "p", "response": None},
        {"prompt": "p", "response": 7},
        {"prompt": 3, "response": "r"},
        {"prompt": [{"role": "boss", "content": "c"}], "response": "r"},
        {"prompt": "p", "response": "r", "reference": {"anwsers": ["1"]}},
        {"prompt": "p", "response": "r", "sample_id": "twice"},
        {"prompt": "p", "response": "r", "sample_id": "twice"},
        b"",
        b"[]",
        b"[" * 100_000,
        {"prompt": "p", "response": "\ud800"},
        good,
    )
    output = tmp_path / "out.jsonl"
    done = score(server, source, output)
    assert done.returncode == 3, done.stderr
    scored = results(output)
    expected = {
        "line-2": "not valid UTF-8: byte 0xff",
        "line-3": "not valid JSON",
        "line-4": "holds NaN",
        "line-5": "holds 1e999",
        "line-6": "response: is missing",
        "line-7": "response: is missing",
        "line-8": "response: is 7",
        "line-9": "prompt: is 3",
        "line-10": "prompt[0].role: is 'boss'",
        "line-11": "reference.anwsers: is not a known key",
        "twice (line-13)": "sample_id: 'twice' occurs twice",
        "line-15": "not a JSON object",
        "line-16": "not valid JSON",
        "line-17": "not valid Unicode",
    }
    for name, reason in expected.items():
        line = scored.pop(name)
        assert line["status"] == "error"
        assert line["reward"] is None
        assert reason in line["reason"], line["reason"]
        assert line["reason"].startswith(f"line {name.removesuffix(')').rpartition('-')[2]}: ")
    assert {name: line["reward"] for name, line in scored.items()} == {
        "line-1": 1.0,
        "twice": 0.0,
        "line-18": 1.0,
    }
    again = score(server, source, output)
    assert again.returncode == 0, again.stderr
    assert len(results(output)) == 17


def test_fields_may_have_the_datasets_own_names(server, tmp_path):
    source = write(
        tmp_path / "in.jsonl",
        {"question": "q", "model": {"answer": r"\boxed{1}"}, "id": 7, "meta": {"gold": "1"}},
    )
    names = ("prompt=question", "response=model.answer", "sample_id=id", "reference=meta.gold")
    options = [part for name in names for part in ("--field", name)]
    done = score(server, source, tmp_path / "out.jsonl", *options)
    assert done.returncode == 0, done.stderr
    assert results(tmp_path / "out.jsonl")["7"]["reward"] == 1.0


def test_a_server_of_its_own(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    source = write(tmp_path / "in.jsonl", sample(1))
    options = ("--output", tmp_path / "out.jsonl", "--reward", "boxed", "--config", config)
    done = run("score", source, *options)
    assert done.returncode == 0, done.stderr
    assert results(tmp_path / "out.jsonl")["s1"]["reward"] == 1.0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"source": "absent.jsonl"}, "absent.jsonl: no such file"),
        ({"--reward": "helpful"}, "'helpful' is not configured; there are: boxed"),
        ({"--target": None}, "give either --target"),
        ({"--field": "answer=x"}, "--field: is 'answer=x'; must be FIELD=NAME"),
        ({"--output": "in.jsonl"}, "in.jsonl: is the input itself"),
        ({"--output": "other.txt"}, "other.txt:1: is not a result"),
        ({"--output": "no/folder/out"}, "no/folder/out: cannot be written"),
        ({"--target": None, "--config": "bad.yaml"}, "bad.yaml: scorers.boxed.kind: is 'fromat'"),
    ],
)
def test_what_cannot_be_done_is_one_readable_message(
    server, tmp_path, monkeypatch, change, expected
):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "in.jsonl", sample(1))
    Path("other.txt").write_text("my notes\n")
    Path("bad.yaml").write_text(CONFIG.replace("format", "fromat"))
    options: dict[str, str | None] = {"--reward": "boxed", "--output": "o", "--target": server}
    options |= change
    source = options.pop("source", "in.jsonl")
    arguments = [part for name, value in options.items() if value for part in (name, value)]
    done = run("score", source, *arguments)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert Path("other.txt").read_text() == "my notes\n"


def test_memory_does_not_grow_with_the_file(server, tmp_path):
    peaks = []
    for count in (4_000, 40_000):
        source = write(tmp_path / f"{count}.jsonl", *map(sample, range(count)))
        options = ("--output", tmp_path / f"{count}.out", "--reward", "boxed", "--target", server)
        measured = (
            "import resource, subprocess, sys;"
            "subprocess.run(sys.argv[1:], check=True, capture_output=True);"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        )
        done = subprocess.run(
            [sys.executable, "-c", measured, *command("score", source, *options)],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout))
    assert peaks[1] < peaks[0] * 1.25, f"{peaks} KiB"
