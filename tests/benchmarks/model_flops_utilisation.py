"""How much of a GPU's matrix rate the packed engine turns into scores: model FLOPs utilisation.

utilisation = (2 * N * T + A) / seconds / R, where N is the number of parameters of the decoder
layers (no embeddings), T the unique tokens (a shared prefix counts once, as computed), A the
FLOPs of attention (4 * query width for each query-key pair within the causal mask, in every
layer), and R the rate of a large square matrix product in the same precision, measured in the
same run. The last layer's pruning is not taken off the FLOPs by default but switched off
(--prune leaves it on), so that what is counted is what is computed. What sharing saves on top
is printed apart as a ratio and is in no utilisation.

Random weights in the shapes of Qwen3 0.6B and 8B; rollouts of mixed lengths. Also printed, with
--deterministic: the largest difference of a sequence's hidden state alone and in its group, in
either mode, which is how the tolerance of the deterministic mode on a GPU is measured.

    python tests/benchmarks/model_flops_utilisation.py [--shape 0.6B,8B] [--compile]
    python tests/benchmarks/model_flops_utilisation.py --shape tiny --device cpu

Without a GPU and without --device cpu it says so and exits with 0.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass

import numpy as np
import torch
from transformers import Qwen3Config, Qwen3Model

from rewardsvc.engines.packed.layout import MicroBatch, group_by_prefix, plan
from rewardsvc.engines.packed.trunk import PackedTrunk
from rewardsvc.engines.packed.varlen import varlen_attention

SHAPES = {
    "tiny": {
        "hidden_size": 64,
        "intermediate_size": 192,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
    },
    "0.6B": {
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
    },
    "8B": {
        "hidden_size": 4096,
        "intermediate_size": 12288,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
    },
}
VOCABULARY = 32_000
"""Of the embedding alone, which is in no FLOPs."""


@dataclass(frozen=True)
class Work:
    tokens: int
    sent: int
    pairs: int
    """Query-key pairs within the causal mask, each computed once."""


def build(shape: str, device: torch.device, dtype: torch.dtype) -> Qwen3Model:
    config = Qwen3Config(vocab_size=VOCABULARY, max_position_embeddings=8192, **SHAPES[shape])
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            return Qwen3Model(config).eval()
    finally:
        torch.set_default_dtype(before)


def batches(options: argparse.Namespace) -> tuple[list[MicroBatch], Work]:
    random = np.random.default_rng(0)
    groups = []
    sent = 0
    for _ in range(options.groups):
        prompt = random.integers(1, VOCABULARY, _length(random, options.prompt))
        sequences = [
            np.concatenate(
                [prompt, random.integers(1, VOCABULARY, _length(random, options.response))]
            )
            for _ in range(options.group_size)
        ]
        sent += sum(map(len, sequences))
        groups.append(group_by_prefix(sequences, [np.array([len(s) - 1]) for s in sequences]))
    planned = plan(groups, options.token_budget)
    pairs = 0
    for batch in planned:
        for segment in batch.segments:
            prefix = segment.prefix_length
            pairs += prefix * (prefix + 1) // 2
            pairs += sum(n * prefix + n * (n + 1) // 2 for n in segment.suffix_lengths)
    return planned, Work(sum(batch.tokens for batch in planned), sent, pairs)


def _length(random: np.random.Generator, mean: int) -> int:
    return int(random.integers(max(mean // 2, 1), mean * 3 // 2 + 1))


def flops(model: Qwen3Model, work: Work) -> float:
    parameters = sum(p.numel() for layer in model.layers for p in layer.parameters())
    config = model.config
    width = config.num_attention_heads * config.head_dim
    return 2.0 * parameters * work.tokens + 4.0 * width * config.num_hidden_layers * work.pairs


def seconds(function, device: torch.device, rounds: int) -> float:
    """Median wall time; on a CPU, where others work too, CPU time."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    taken = []
    for number in range(rounds + 1):
        _finish(device)
        before = clock()
        function()
        _finish(device)
        if number:
            taken.append(clock() - before)
    return statistics.median(taken)


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matrix_rate(device: torch.device, dtype: torch.dtype, rounds: int) -> float:
    """FLOP/s of a square product, 8192 wide on a GPU and 1024 on a CPU."""
    size = 8192 if device.type == "cuda" else 1024
    repeats = 20 if device.type == "cuda" else 4
    first = torch.randn(size, size, device=device, dtype=dtype)
    second = torch.randn(size, size, device=device, dtype=dtype)

    def multiply() -> None:
        for _ in range(repeats):
            torch.mm(first, second)

    return 2.0 * size**3 * repeats / seconds(multiply, device, rounds)


def measure(shape: str, device: torch.device, dtype: torch.dtype, options) -> None:
    model = build(shape, device, dtype)
    planned, work = batches(options)
    trunk = PackedTrunk(model, compile=options.compile)
    if not options.prune:
        trunk._prune = False
    rate = matrix_rate(device, dtype, options.rounds)

    def score() -> None:
        for batch in planned:
            trunk.hidden(batch)

    taken = seconds(score, device, options.rounds)
    used = flops(model, work) / taken
    kernel = varlen_attention(device, dtype)
    print(
        f"\n{shape}: {options.groups} groups of {options.group_size}, {dtype}, "
        f"attention {'piece by piece' if kernel is None else 'variable-length kernel'}"
    )
    print(f"  unique tokens/s          {work.tokens / taken:14,.0f}")
    print(f"  FLOP/s of the model      {used:14.3e}")
    print(f"  FLOP/s of a product      {rate:14.3e}")
    print(f"  utilisation              {used / rate:14.1%}")
    print(
        f"  sharing, apart           {work.sent / work.tokens:14.2f} tokens sent a token computed"
    )
    if options.deterministic:
        print_difference(model, planned, trunk)


def print_difference(model: Qwen3Model, planned: list[MicroBatch], trunk: PackedTrunk) -> None:
    batch = planned[0]
    for name, each in (("fast", trunk), ("deterministic", PackedTrunk(model, deterministic=True))):
        together = each.hidden(batch)
        worst = 0.0
        for row in range(min(8, len(together))):
            segment = batch.segments[0]
            last = int(batch.read_rows[row])
            start = segment.suffix_start
            for length in segment.suffix_lengths:
                if start <= last < start + length:
                    ids = np.concatenate(
                        [
                            batch.token_ids[segment.start : segment.suffix_start],
                            batch.token_ids[start : last + 1],
                        ]
                    )
                    (alone,) = plan([group_by_prefix([ids], [np.array([len(ids) - 1])])], 10**9)
                    apart = (each.hidden(alone)[0] - together[row]).abs().max()
                    worst = max(worst, float(apart))
                start += length
        print(f"  {name}: alone and in the group, hidden states differ by at most {worst:.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", default="0.6B,8B", help=", ".join(SHAPES))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--dtype", choices=("bfloat16", "float16", "float32"))
    parser.add_argument("--groups", type=int)
    parser.add_argument("--group-size", type=int, default=8)
    parser.add_argument("--prompt", type=int, help="mean tokens; lengths within half and half more")
    parser.add_argument("--response", type=int, help="likewise")
    parser.add_argument("--token-budget", type=int, default=16_384)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--prune", action="store_true")
    parser.add_argument("--deterministic", action="store_true")
    options = parser.parse_args()
    shapes = options.shape.split(",")
    if unknown := set(shapes) - set(SHAPES):
        parser.error(f"--shape: unknown {', '.join(sorted(unknown))}; known: {', '.join(SHAPES)}")
    small = options.device == "cpu"
    options.groups = options.groups or (2 if small else 32)
    options.prompt = options.prompt or (20 if small else 300)
    options.response = options.response or (20 if small else 300)
    if options.device == "cuda" and not torch.cuda.is_available():
        print(
            "there is no GPU here: nothing is measured (--shape tiny --device cpu tries the script)"
        )
        return
    device = torch.device(options.device)
    dtype = getattr(torch, options.dtype or ("float32" if small else "bfloat16"))
    print(
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else "CPU: a trial, not a result"
    )
    for shape in shapes:
        measure(shape, device, dtype, options)


if __name__ == "__main__":
    sys.exit(main())
