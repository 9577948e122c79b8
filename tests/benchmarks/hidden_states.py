"""What reading hidden states at two positions costs: CPU time and memory, beside transformers.

Each way runs in a process of its own, on the same random-weight model and the same responses:

* ours: packed, the prompt of a group computed once, two positions of each layer kept;
* transformers: padded batches of as many responses as fit the same number of tokens, with
  `output_hidden_states=True`, two positions taken from them.

Prints CPU seconds, their ratio, how much memory grew beyond the loaded model (peak resident
size), and the largest difference between the features. The default takes about a minute.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

TOKENS = 8192


def model(directory: Path, layers: int, hidden: int) -> None:
    """Writes the model."""
    import torch
    from fixtures.tiny_models import tiny_tokenizer
    from transformers import Qwen2Config, Qwen2ForCausalLM

    tokenizer = tiny_tokenizer(("<think>", "</think>"))
    tokenizer.model_max_length = 4096
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        num_key_value_heads=1,
        max_position_embeddings=4096,
        initializer_range=0.05,
    )
    torch.manual_seed(0)
    Qwen2ForCausalLM(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def samples(groups: int, responses: int, prompt: int, thinking: int) -> list[tuple[Any, list[str]]]:
    """Prompts as messages, and responses; lengths in words of one or two tokens."""
    random = np.random.default_rng(0)

    def words(count: int) -> str:
        return " ".join(str(n) for n in random.integers(0, 100, count))

    return [
        (
            [["user", words(prompt)]],
            [
                f"<think>{words(int(random.integers(thinking // 2, thinking + 1)))}</think> 42"
                for _ in range(responses)
            ],
        )
        for _ in range(groups)
    ]


def grown(before: int) -> float:
    """MiB by which the peak resident size is above `before` KiB."""
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def ours(directory: Path, data: list[tuple[Any, list[str]]]) -> dict[str, Any]:
    """Features by the engine, and what they cost."""
    from rewardsvc.engines.hidden_states.engine import FeatureReader
    from rewardsvc.engines.hidden_states.thinking import Markers
    from rewardsvc.engines.loading import Settings

    settings = Settings(device="cpu", threads=1, token_budget=TOKENS)
    reader = FeatureReader(directory, Markers(), settings)
    assert reader.engine == "packed"
    readings = reader.prepare(data)
    found: dict[int, Any] = {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    reader.read(
        readings, lambda places, each: found.update(zip(places.tolist(), each, strict=True))
    )
    seconds = time.process_time() - started
    features = np.stack([found[place] for place in range(len(found))])
    return {"seconds": seconds, "mebibytes": grown(before), "features": features}


def transformers(directory: Path, data: list[tuple[Any, list[str]]]) -> dict[str, Any]:
    """The same by padded batches with output_hidden_states."""
    import torch
    from transformers import AutoModelForCausalLM

    from rewardsvc.engines.hidden_states.engine import FeatureReader
    from rewardsvc.engines.hidden_states.thinking import Markers
    from rewardsvc.engines.loading import Settings
    from rewardsvc.engines.micro_batches import plan_micro_batches

    settings = Settings(device="cpu", threads=1)
    sequences = FeatureReader(directory, Markers(), settings).prepare(data).sequences
    decoder = AutoModelForCausalLM.from_pretrained(directory).eval().base_model
    features: list[Any] = [None] * len(sequences)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    for chosen in plan_micro_batches([len(s.ids) for s in sequences], TOKENS):
        longest = max(len(sequences[i].ids) for i in chosen)
        padded = torch.tensor(
            [sequences[i].ids + [0] * (longest - len(sequences[i].ids)) for i in chosen]
        )
        mask = torch.tensor(
            [[int(p < len(sequences[i].ids)) for p in range(longest)] for i in chosen]
        )
        with torch.inference_mode():
            states = decoder(
                padded, attention_mask=mask, use_cache=False, output_hidden_states=True
            ).hidden_states[1:]
        for row, index in enumerate(chosen):
            first, last = sequences[index].reads
            features[index] = torch.stack([s[row, last] - s[row, first] for s in states]).numpy()
        del states
    seconds = time.process_time() - started
    return {"seconds": seconds, "mebibytes": grown(before), "features": np.stack(features)}


def main() -> None:
    """Runs both and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--groups", type=int, default=4)
    parser.add_argument("--responses", type=int, default=8, help="to each prompt")
    parser.add_argument("--prompt-words", type=int, default=200)
    parser.add_argument("--thinking-words", type=int, default=200)
    parser.add_argument("--way", choices=["ours", "transformers"], help=argparse.SUPPRESS)
    parser.add_argument("--directory", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    data = samples(options.groups, options.responses, options.prompt_words, options.thinking_words)
    if options.way:
        import torch

        torch.set_num_threads(1)
        done = {"ours": ours, "transformers": transformers}[options.way](options.directory, data)
        np.save(options.directory / f"{options.way}.npy", done.pop("features"))
        print(json.dumps(done))
        return
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        model(directory, options.layers, options.hidden)
        results = {}
        for way in ("ours", "transformers"):
            words = [*sys.argv[1:], "--way", way, "--directory", folder]
            run = [sys.executable, __file__, *words]
            done = subprocess.run(run, capture_output=True, text=True, check=True, timeout=600)
            results[way] = json.loads(done.stdout.splitlines()[-1])
        features = [np.load(directory / f"{way}.npy") for way in results]
    print(f"{'':14}{'CPU s':>8}{'MiB above the model':>22}")
    for way, result in results.items():
        print(f"{way:14}{result['seconds']:8.2f}{result['mebibytes']:22.0f}")
    ratio = results["transformers"]["seconds"] / results["ours"]["seconds"]
    difference = np.abs(features[0] - features[1]).max() / np.abs(features[1]).max()
    print(
        f"CPU time, transformers / ours: {ratio:.2f}; largest relative difference {difference:.1e}"
    )


if __name__ == "__main__":
    main()
