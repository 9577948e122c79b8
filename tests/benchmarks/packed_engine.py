"""The packed engine beside its peers: effective tokens per CPU second, one run, alternated.

A reward model with random weights scores synthetic rollouts; effective tokens are those of
the sequences as sent, whether or not they are computed. One thread each; CPU time, because
machines are shared; rounds alternate between the variants and the tables show medians with
the range. Parts (all by default):

* grouped: G prompts with 8 responses each, in order. `padded` is batches of 8 in order of
  arrival, as OpenRLHF's reward server runs them; `sorted` is all sequences by length in
  padded batches of a token budget; `packed` is without sharing; `shared` is this engine.
* ungrouped: as many prompts with one response each.
* ensembles: K members beside one: heads, LoRA adapters on the top quarter of the layers, dropout
  masks, full models; with the last layer pruned as served, and whole, where the ideal for
  adapters is (L - m + K m) / L.
* deterministic: what it costs, and whether the bits of a sequence alone are those in a group.
* vllm (with --vllm-python): a real vLLM with prefix caching, on the same weights and rollouts.

    python tests/benchmarks/packed_engine.py [--groups 4] [--rounds 5]
        [--vllm-python .venv-vllm/bin/python [--vllm-compile]] [--parts grouped,ungrouped]

The defaults take some eight minutes on one idle core, --groups 64 sixteen times that. --layers
deepens the model: what pruning the last layer saves shrinks as 1 / layers.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForSequenceClassification

from rewardsvc.engines.packed.adapters import adapter_branches
from rewardsvc.engines.packed.dropout import ResidualDropout
from rewardsvc.engines.packed.layout import group_by_prefix, plan
from rewardsvc.engines.packed.trunk import PackedTrunk

VOCABULARY = 8000
GROUP_SIZE = 8
MEMBERS = 4
MAX_LENGTH = 2048
PARTS = ("grouped", "ungrouped", "ensembles", "deterministic", "vllm")

Sequences = list[np.ndarray]
Variant = Callable[[], "tuple[float, np.ndarray]"]


# ── the model and the rollouts ───────────────────────────────────────────────────────────


def build_model(layers: int, seed: int = 0) -> Qwen2ForSequenceClassification:
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=512,
        intermediate_size=1408,
        num_hidden_layers=layers,
        num_attention_heads=8,
        num_key_value_heads=2,
        max_position_embeddings=MAX_LENGTH,
        num_labels=1,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = Qwen2ForSequenceClassification(config).eval()
    torch.nn.init.normal_(model.score.weight, std=0.5)
    return model


def lengths(random: np.random.Generator, count: int) -> np.ndarray:
    """Mixed, with a tail: log-normal around 250, mean near 310, at most 1,000."""
    return np.clip(np.exp(random.normal(5.5, 0.7, count)), 16, 1000).astype(int)


def rollouts(groups: int, group_size: int, seed: int) -> list[Sequences]:
    random = np.random.default_rng(seed)
    found = []
    for prompt_length in lengths(random, groups):
        prompt = random.integers(1, VOCABULARY, prompt_length)
        found.append(
            [
                np.concatenate([prompt, random.integers(1, VOCABULARY, length)])
                for length in lengths(random, group_size)
            ]
        )
    return found


# ── the ways to score them; each gives CPU seconds and scores in order ───────────────────


@torch.inference_mode()
def padded(model, batches: list[list[int]], sequences: Sequences) -> np.ndarray:
    scores = np.empty(len(sequences))
    for batch in batches:
        longest = max(len(sequences[i]) for i in batch)
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, i in enumerate(batch):
            ids[row, : len(sequences[i])] = torch.from_numpy(sequences[i])
            mask[row, : len(sequences[i])] = 1
        scores[batch] = model(input_ids=ids, attention_mask=mask).logits[:, 0].numpy()
    return scores


def sorted_batches(sequences: Sequences, budget: int) -> list[list[int]]:
    batches: list[list[int]] = []
    longest = 0
    for i in sorted(range(len(sequences)), key=lambda i: -len(sequences[i])):
        if batches and longest * (len(batches[-1]) + 1) <= budget:
            batches[-1].append(i)
        else:
            batches.append([i])
            longest = len(sequences[i])
    return batches


class Packed:
    """Plans and scores: what the engine does with a request, tokenised."""

    def __init__(self, groups: list[Sequences], budget: int) -> None:
        self.groups = groups
        self.budget = budget
        self.first = np.cumsum([0, *(len(group) for group in groups)])

    def batches(self, share: bool):
        token_groups = [
            group_by_prefix(group, [np.array([len(s) - 1]) for s in group]) for group in self.groups
        ]
        return plan(token_groups, self.budget, share_prefix=share)

    def score(self, trunk, heads, *, share: bool = True) -> np.ndarray:
        """(sequences, heads)"""
        scores = np.empty((self.first[-1], len(heads)))
        for batch in self.batches(share):
            states = trunk.hidden(batch)
            where = self.first[batch.read_groups] + batch.read_sequences
            for k, head in enumerate(heads):
                scores[where, k] = self._apply(trunk, head, states)
        return scores

    def score_branches(self, trunk, branches, from_layer: int, heads) -> np.ndarray:
        scores = np.empty((self.first[-1], len(branches)))
        for batch in self.batches(True):
            where = self.first[batch.read_groups] + batch.read_sequences
            states = trunk.branches(batch, branches, from_layer)
            for k, (member, head) in enumerate(zip(states, heads, strict=True)):
                scores[where, k] = self._apply(trunk, head, member)
        return scores

    @staticmethod
    @torch.inference_mode()
    def _apply(trunk, head, states) -> np.ndarray:
        return trunk.apply(head, states)[:, 0].numpy()


class Vllm:
    """A child process that scores with vLLM."""

    def __init__(self, python: str, model, budget: int, compile: bool) -> None:
        self._folder = tempfile.TemporaryDirectory()
        model.save_pretrained(self._folder.name)
        # vLLM insists on one; the rollouts are token ids.
        words = {f"w{i}": i for i in range(VOCABULARY)}
        tokenizer = Tokenizer(models.WordLevel(words, unk_token="w0"))
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="w0").save_pretrained(
            self._folder.name
        )
        command = [python, str(Path(__file__).with_name("vllm_scoring.py")), self._folder.name]
        command += ["--token-budget", str(budget), "--max-length", str(MAX_LENGTH)]
        command += ["--compile"] if compile else []
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        self._child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self.cached = 0

    def score(self, sequences: Sequences) -> tuple[float, np.ndarray]:
        assert self._child.stdin is not None and self._child.stdout is not None
        print(
            json.dumps({"sequences": [s.tolist() for s in sequences]}),
            file=self._child.stdin,
            flush=True,
        )
        line = self._child.stdout.readline()
        if not line:
            self._log.seek(0)
            raise SystemExit("vLLM ended:\n" + self._log.read().decode()[-3000:])
        answer = json.loads(line)
        self.cached = answer["cached"]
        return answer["cpu"], np.array(answer["scores"])

    def close(self) -> None:
        self._child.stdin.close()
        self._child.wait()
        self._log.close()
        self._folder.cleanup()


def timed(function: Callable[[], np.ndarray]) -> Variant:
    def run() -> tuple[float, np.ndarray]:
        before = time.process_time()
        scores = function()
        return time.process_time() - before, scores

    return run


# ── tables ───────────────────────────────────────────────────────────────────────────────


def alternate(variants: dict[str, Variant], rounds: int) -> tuple[dict, dict]:
    """CPU seconds of every round, and the scores of the last; one round first to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    scores = {}
    for number in range(rounds + 1):
        for name, run in variants.items():
            cpu, scores[name] = run()
            if number:
                seconds[name].append(cpu)
    return seconds, scores


def ratios(seconds: dict, name: str, base: str) -> str:
    """Of the medians, and the range over rounds, where neighbours in time are compared."""
    of_medians = statistics.median(seconds[base]) / statistics.median(seconds[name])
    by_round = [b / s for b, s in zip(seconds[base], seconds[name], strict=True)]
    return f"{of_medians:6.2f}  ({min(by_round):.2f} to {max(by_round):.2f})"


def print_speeds(title: str, tokens: int, seconds: dict, scores: dict, base: str) -> None:
    print(f"\n{title}")
    print(f"{'':26}{'tokens/CPU s':>14}   times {base:14}  max |difference|")
    for name, taken in seconds.items():
        rate = tokens / statistics.median(taken)
        apart = np.abs(scores[name].ravel() - scores[base].ravel()).max()
        print(f"{name:26}{rate:14,.0f}   {ratios(seconds, name, base):24}{apart:.1e}", flush=True)


def print_costs(title: str, seconds: dict, base: str, ideals: dict[str, float]) -> None:
    print(f"\n{title}")
    print(f"{'':26}{'cost':>8}  {'ideal':>6}  by round")
    for name, taken in seconds.items():
        cost = statistics.median(taken) / statistics.median(seconds[base])
        by_round = [s / b for s, b in zip(taken, seconds[base], strict=True)]
        ideal = f"{ideals[name]:6.2f}" if name in ideals else " " * 6
        print(
            f"{name:26}{cost:8.2f}  {ideal}  {min(by_round):.2f} to {max(by_round):.2f}",
            flush=True,
        )


# ── parts ────────────────────────────────────────────────────────────────────────────────


def compare_packing(title, model, groups, options, vllm: Vllm | None) -> None:
    sequences = [s for group in groups for s in group]
    tokens = sum(map(len, sequences))
    trunk = PackedTrunk(model)
    packed = Packed(groups, options.token_budget)
    arrival = [
        list(range(i, min(i + GROUP_SIZE, len(sequences))))
        for i in range(0, len(sequences), GROUP_SIZE)
    ]
    by_length = sorted_batches(sequences, options.token_budget)
    head = [model.score]
    whole = PackedTrunk(model)
    whole._prune = False
    variants = {
        "padded, arrival, 8": timed(lambda: padded(model, arrival, sequences)),
        "sorted, token budget": timed(lambda: padded(model, by_length, sequences)),
        "packed": timed(lambda: packed.score(trunk, head, share=False)),
        "shared": timed(lambda: packed.score(trunk, head)),
        "shared, last layer whole": timed(lambda: packed.score(whole, head)),
    }
    if options.compile:
        compiled = PackedTrunk(model, compile=True)
        variants["shared, compiled"] = timed(lambda: packed.score(compiled, head))
    if vllm is not None:
        variants["vLLM, prefix caching"] = lambda: vllm.score(sequences)
    seconds, scores = alternate(variants, options.rounds)
    computed = sum(batch.tokens for batch in packed.batches(True))
    spread = scores["padded, arrival, 8"].std()
    print_speeds(
        f"{title}: {len(sequences)} sequences, {tokens:,} tokens, {computed:,} computed when "
        f"shared (ratio {tokens / computed:.2f}); standard deviation of the scores {spread:.2f}",
        tokens,
        seconds,
        scores,
        "padded, arrival, 8",
    )
    if vllm is not None:
        ours = ratios(seconds, "shared", "vLLM, prefix caching")
        unpruned = ratios(seconds, "shared, last layer whole", "vLLM, prefix caching")
        print(f"shared beside vLLM {ours}; with the last layer whole {unpruned}")
        print(f"vLLM took {vllm.cached:,} tokens from its cache; {tokens - computed:,} were shared")


def compare_ensembles(layers: int, groups, options) -> None:
    model = build_model(layers)
    packed = Packed(groups, options.token_budget)
    top = max(layers // 4, 1)
    targets = [
        f"layers.{layer}.{name}_proj"
        for layer in range(layers - top, layers)
        for name in (*(f"self_attn.{p}" for p in "qkvo"), "mlp.gate", "mlp.up", "mlp.down")
    ]
    adapted = None
    for k in range(MEMBERS):
        config = LoraConfig(r=16, target_modules=targets)
        if adapted is None:
            adapted = get_peft_model(build_model(layers), config, adapter_name="member0")
        else:
            adapted.add_adapter(f"member{k}", config)
    for path, parameter in adapted.named_parameters():
        if "lora_B" in path:
            torch.nn.init.normal_(parameter, std=0.02)
    adapted.eval()
    names = [f"member{k}" for k in range(MEMBERS)]
    merged = adapter_branches(adapted, names, merge=True)
    live = adapter_branches(adapted, names, merge=False)
    linear = [torch.nn.Linear(512, 1) for _ in range(MEMBERS)]
    mlp = [
        torch.nn.Sequential(torch.nn.Linear(512, 512), torch.nn.SiLU(), torch.nn.Linear(512, 1))
        for _ in range(MEMBERS)
    ]
    dropouts = [ResidualDropout(k, 0.1) for k in range(MEMBERS)]
    heads = [model.score] * MEMBERS
    members = [PackedTrunk(build_model(layers, seed)) for seed in range(MEMBERS)]
    trunk, adapted_trunk = PackedTrunk(model), PackedTrunk(adapted)
    ideal = (layers - top + MEMBERS * top) / layers
    ideals = {
        f"{MEMBERS} linear heads": 1.0,
        f"{MEMBERS} MLP heads": 1.0,
        f"{MEMBERS} LoRA, merged": ideal,
        f"{MEMBERS} LoRA, live": ideal,
        f"{MEMBERS} dropout masks": ideal,
        f"{MEMBERS} full models": float(MEMBERS),
    }
    from_layer = merged.from_layer
    runs = [
        lambda: packed.score(trunk, linear),
        lambda: packed.score(trunk, mlp),
        lambda: packed.score_branches(adapted_trunk, merged.branches, from_layer, heads),
        lambda: packed.score_branches(adapted_trunk, live.branches, from_layer, heads),
        lambda: packed.score_branches(trunk, dropouts, layers - top, heads),
        lambda: np.stack([packed.score(member, [model.score]) for member in members]),
    ]
    variants = {"one model": timed(lambda: packed.score(trunk, [model.score]))}
    variants |= {name: timed(run) for name, run in zip(ideals, runs, strict=True)}
    for pruned in (True, False):
        for each in (trunk, adapted_trunk, *members):
            each._prune = pruned
        seconds, scores = alternate(variants, options.rounds)
        print_costs(
            f"ensembles, {layers} layers, adapters and masks on the top {top}, "
            + ("last layer pruned, as served" if pruned else "last layer whole"),
            seconds,
            "one model",
            {} if pruned else ideals,
        )
    apart = np.abs(scores[f"{MEMBERS} LoRA, merged"] - scores[f"{MEMBERS} LoRA, live"]).max()
    print(f"merged beside live adapters: max |difference| {apart:.1e}")


def compare_deterministic(model, groups, options) -> None:
    packed = Packed(groups, options.token_budget)
    trunks = {"shared": PackedTrunk(model), "deterministic": PackedTrunk(model, deterministic=True)}
    variants = {
        name: timed(lambda trunk=trunk: packed.score(trunk, [model.score]))
        for name, trunk in trunks.items()
    }
    seconds, scores = alternate(variants, options.rounds)
    print_costs("deterministic mode", seconds, "shared", {})
    some = groups[0]
    for name, trunk in trunks.items():
        alone = [Packed([[s]], options.token_budget).score(trunk, [model.score]) for s in some]
        difference = np.abs(np.ravel(alone) - scores[name].ravel()[: len(some)])
        print(
            f"{name}: of {len(some)} sequences, {int((difference == 0).sum())} have the same bits "
            f"alone and in their group; max |difference| {difference.max():.1e}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--groups", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--token-budget", type=int, default=8192)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compile", action="store_true", help="also this engine, compiled")
    parser.add_argument("--vllm-python", help="an interpreter that has vLLM")
    parser.add_argument("--vllm-compile", action="store_true", help="vLLM without enforce_eager")
    parser.add_argument("--parts", default=",".join(PARTS))
    options = parser.parse_args()
    parts = options.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"--parts: unknown {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}")
    torch.set_num_threads(1)
    model = build_model(options.layers)
    grouped = rollouts(options.groups, GROUP_SIZE, options.seed)
    ungrouped = rollouts(options.groups * GROUP_SIZE, 1, options.seed)
    vllm = None
    if options.vllm_python and "vllm" in parts:
        vllm = Vllm(options.vllm_python, model, options.token_budget, options.vllm_compile)
    elif "vllm" in parts:
        print("no --vllm-python: without vLLM")
    if "grouped" in parts:
        compare_packing("grouped", model, grouped, options, vllm)
    if "ungrouped" in parts:
        compare_packing("ungrouped", model, ungrouped, options, vllm)
    if vllm is not None:
        vllm.close()
    if "ensembles" in parts:
        compare_ensembles(options.layers, grouped, options)
    if "deterministic" in parts:
        compare_deterministic(model, grouped, options)


if __name__ == "__main__":
    sys.exit(main())
