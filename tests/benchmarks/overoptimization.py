"""Best-of-n against an ensemble of learned proxies: where a single one overoptimises.

    python tests/benchmarks/overoptimization.py --out FOLDER [--seeds 12] [--sensitivity]

The study of Coste et al. (arXiv 2310.02743, section 5) at small scale. What is real: proxies
trained by Bradley-Terry on preference pairs, five of them on the same pairs with different
initial weights and order, with and without 25 % of the pairs flipped; the objectives, the
frozen standardisation and the unbiased best-of-n estimator of rewardsvc.aggregate. What is
synthetic: a response is a vector of features, the policy draws them with heavy tails
(Student-t), and the gold reward is a wide random network that saturates, less a cost of extreme
features, so that more of what the pairs reward stops being better far out, where there are no
pairs. A set-up in which nothing can be overoptimised shows nothing; this one was chosen so that
a single proxy overoptimises, and `--initial-scale`, which says how far apart members start and
so how much they differ where there is no data, so that proxies order about as many pairs as
gold does as those of the paper (60 to 75 %) when a quarter of the pairs is flipped.
`--sensitivity` runs other scales, and a policy without heavy tails.

Gold scores are in standard deviations over the policy, 0 its mean. `single` is the mean over
the five proxies used alone. Writes overoptimization.csv, overoptimization.png and summary.txt.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rewardsvc.aggregate import OBJECTIVES, Standardisation
from rewardsvc.aggregate.best_of_n import best_of_n, best_of_n_kl
from rewardsvc.training.losses import bradley_terry

Array = NDArray[np.float32]
Curves = dict[str, NDArray[np.float64]]

ENSEMBLES = ("mean", "worst_case", "uncertainty_weighted", "median")
SHARES_FLIPPED = (0.0, 0.25)
PROMPT_FEATURES = 4
MEMBERS = [f"proxy-{number}" for number in range(1, 6)]


@dataclass(frozen=True)
class Setup:
    """The numbers of one study."""

    features: int = 16
    tails: float = 4.0
    gold_width: int = 128
    gold_cost: float = 0.1
    pairs: int = 2000
    proxy_width: int = 64
    initial_scale: float = 3.0
    learning_rate: float = 1e-3
    epochs: int = 5
    prompts: int = 50
    samples: int = 12_600

    @property
    def sizes(self) -> list[int]:
        """n from 1 to 12,500 (8.4 nats) or as far as the samples go."""
        grid = np.unique(np.geomspace(1, 12_500, 40).round().astype(int))
        return [int(n) for n in grid if n <= self.samples]


class Gold:
    """A random network with two tanh layers, less a cost of extreme features."""

    def __init__(self, rng: np.random.Generator, setup: Setup) -> None:
        width, inputs = setup.gold_width, PROMPT_FEATURES + setup.features
        self._first = rng.standard_normal((inputs, width)).astype(np.float32) / inputs**0.5
        self._bias = 0.5 * rng.standard_normal(width).astype(np.float32)
        self._second = 1.5 * rng.standard_normal((width, width)).astype(np.float32) / width**0.5
        self._head = rng.standard_normal(width).astype(np.float32) / width**0.5
        self._cost = setup.gold_cost

    def __call__(self, inputs: Array) -> Array:
        hidden = np.tanh(np.tanh(inputs @ self._first + self._bias) @ self._second)
        cost = self._cost * (inputs[..., PROMPT_FEATURES:] ** 2).mean(axis=-1)
        return np.asarray(hidden @ self._head - cost, dtype=np.float32)


def draw(rng: np.random.Generator, setup: Setup, prompts: int, responses: int) -> Array:
    """(prompts, responses, features): a normal prompt, and responses with heavy tails."""
    prompt = rng.standard_normal((prompts, 1, PROMPT_FEATURES))
    spread = (setup.tails / (setup.tails - 2)) ** 0.5
    response = rng.standard_t(setup.tails, (prompts, responses, setup.features)) / spread
    repeated = np.broadcast_to(prompt, (prompts, responses, PROMPT_FEATURES))
    return np.concatenate([repeated, response], axis=-1).astype(np.float32)


def train_proxy(seed: int, chosen: Array, rejected: Array, setup: Setup) -> nn.Module:
    """A smaller network trained on pairs by Bradley-Terry."""
    torch.manual_seed(seed)
    width = setup.proxy_width
    proxy = nn.Sequential(
        nn.Linear(chosen.shape[1], width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, 1),
    )
    with torch.no_grad():
        for parameter in proxy.parameters():
            parameter *= setup.initial_scale
    better, worse = torch.from_numpy(chosen), torch.from_numpy(rejected)
    optimizer = torch.optim.AdamW(proxy.parameters(), lr=setup.learning_rate, weight_decay=0.0)
    for _ in range(setup.epochs):
        for rows in torch.randperm(len(better)).split(64):
            loss = bradley_terry(proxy(better[rows]) - proxy(worse[rows])).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return proxy


@torch.inference_mode()
def scores(proxies: list[nn.Module], inputs: Array) -> NDArray[np.float64]:
    """(rows, members) of the (rows, features) inputs."""
    rows = torch.from_numpy(inputs)
    return np.concatenate([proxy(rows).double().numpy() for proxy in proxies], axis=1)


def study(seed: int, setup: Setup) -> dict[float, tuple[Curves, float]]:
    """For each share of flipped pairs: gold of best-of-n by objective, and proxies' accuracy."""
    rng = np.random.default_rng(seed)
    gold = Gold(rng, setup)
    pairs, fresh = draw(rng, setup, setup.pairs, 2), draw(rng, setup, 1000, 2)
    values = gold(pairs)
    prefers_first = values[:, 0] > values[:, 1]
    responses = draw(rng, setup, setup.prompts, setup.samples)
    of = gold(responses).astype(np.float64)
    of = (of - of.mean()) / of.std()
    luck = rng.random(setup.pairs)
    results = {}
    for share in SHARES_FLIPPED:
        first = prefers_first ^ (luck < share)
        chosen = np.where(first[:, None], pairs[:, 0], pairs[:, 1])
        rejected = np.where(first[:, None], pairs[:, 1], pairs[:, 0])
        proxies = [
            train_proxy(1000 * seed + number, chosen, rejected, setup)
            for number in range(len(MEMBERS))
        ]
        reference = scores(proxies, pairs.reshape(-1, pairs.shape[-1]))
        frozen = Standardisation.fit(reference, MEMBERS, "responses of the training pairs")
        results[share] = (
            _curves(proxies, frozen, responses, of, setup),
            _accuracy(proxies, fresh, gold),
        )
    return results


def _curves(
    proxies: list[nn.Module],
    frozen: Standardisation,
    responses: Array,
    of: NDArray[np.float64],
    setup: Setup,
) -> Curves:
    raw = np.stack([scores(proxies, prompt) for prompt in responses])
    flat = raw.reshape(-1, len(MEMBERS))
    standardised = frozen.apply(flat, MEMBERS)
    alone = [best_of_n(raw[..., k], of, setup.sizes).mean(axis=0) for k in range(len(MEMBERS))]
    curves = {"single": np.mean(alone, axis=0)}
    for name in ENSEMBLES:
        proxy = OBJECTIVES[name].with_parameters()(standardised).reshape(of.shape)
        curves[name] = best_of_n(proxy, of, setup.sizes).mean(axis=0)
    curves["gold itself"] = best_of_n(of, of, setup.sizes).mean(axis=0)
    return curves


def _accuracy(proxies: list[nn.Module], fresh: Array, gold: Gold) -> float:
    """Share of fresh pairs that a proxy orders as gold does, mean over proxies."""
    values = gold(fresh)
    raw = scores(proxies, fresh.reshape(-1, fresh.shape[-1])).reshape(len(fresh), 2, -1)
    agree = (raw[:, 0] > raw[:, 1]) == (values[:, 0] > values[:, 1])[:, None]
    return float(agree.mean())


def summary(results: list[dict[float, tuple[Curves, float]]], setup: Setup) -> str:
    """Peak and end of each curve, and the end against `single`, paired by seed."""
    lines = [f"{setup}", f"{len(results)} seeds; gold in standard deviations over the policy"]
    last = setup.sizes[-1]
    for share in SHARES_FLIPPED:
        accuracy = np.mean([result[share][1] for result in results])
        lines.append(
            f"\n{share:.0%} of pairs flipped; a proxy orders {accuracy:.1%} of fresh pairs"
        )
        lines.append(
            f"{'':22}{'peak':>6}{'at n':>8}{f'n = {last}':>14}{'sd':>6}"
            f"{'lost since peak':>17}{'to single':>11}{'sd':>6}{'better in':>11}"
        )
        single = np.stack([result[share][0]["single"] for result in results])
        for name in results[0][share][0]:
            curves = np.stack([result[share][0][name] for result in results])
            mean = curves.mean(axis=0)
            peak = int(mean.argmax())
            gain = curves[:, -1] - single[:, -1]
            wins = f"{int((gain > 0).sum())}/{len(gain)}"
            lines.append(
                f"{name:22}{mean[peak]:6.2f}{setup.sizes[peak]:8d}{mean[-1]:14.2f}"
                f"{curves[:, -1].std(ddof=1):6.2f}{mean[peak] - mean[-1]:17.2f}"
                f"{gain.mean():+11.2f}{gain.std(ddof=1):6.2f}{wins:>11}"
            )
    return "\n".join(lines)


def write_csv(path: Path, results: list[dict[float, tuple[Curves, float]]], setup: Setup) -> None:
    """One row a curve and n: mean and sample standard deviation over seeds."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["share_flipped", "objective", "n", "kl_nats", "gold_mean", "gold_sd"])
        for share in SHARES_FLIPPED:
            for name in results[0][share][0]:
                curves = np.stack([result[share][0][name] for result in results])
                spread = curves.std(axis=0, ddof=1)
                for n, mean, sd in zip(setup.sizes, curves.mean(axis=0), spread, strict=True):
                    kl = float(best_of_n_kl(n))
                    writer.writerow([share, name, n, f"{kl:.4f}", f"{mean:.4f}", f"{sd:.4f}"])


def plot(path: Path, results: list[dict[float, tuple[Curves, float]]], setup: Setup) -> None:
    """Gold against KL, one panel a share of flips; bands are one standard error over seeds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    kl = best_of_n_kl(np.array(setup.sizes))
    figure, panels = pyplot.subplots(1, 2, figsize=(10, 4.2), sharey=True, layout="constrained")
    styles = {
        "single": ("tab:red", "-"),
        "mean": ("tab:orange", "-"),
        "median": ("tab:olive", ":"),
        "worst_case": ("tab:blue", "-"),
        "uncertainty_weighted": ("tab:green", "-"),
    }
    top = 0.0
    for panel, share in zip(panels, SHARES_FLIPPED, strict=True):
        for name, (colour, line) in styles.items():
            curves = np.stack([result[share][0][name] for result in results])
            mean = curves.mean(axis=0)
            error = curves.std(axis=0, ddof=1) / len(curves) ** 0.5
            panel.plot(kl, mean, line, color=colour, label=name.replace("_", " "))
            panel.fill_between(kl, mean - error, mean + error, color=colour, alpha=0.15, lw=0)
            top = max(top, float((mean + error).max()))
        ceiling = np.mean([result[share][0]["gold itself"] for result in results], axis=0)
        panel.plot(kl, ceiling, "--", color="grey", label="gold itself")
        panel.set_title(f"{share:.0%} of training pairs flipped")
        panel.set_xlabel("KL from the policy, log n − (n − 1)/n, nats")
        panel.axhline(0, color="black", lw=0.5)
        panel.grid(alpha=0.3)
    panels[0].set_ylim(top=1.25 * top)
    panels[0].set_ylabel("gold reward of best-of-n (policy sd)")
    panels[1].legend(loc="lower left", fontsize=8)
    figure.suptitle("Best-of-n by learned proxies: one alone, and five by objective")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Runs the study and writes its table and plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--seeds", type=int, default=12, help="at least 2; each about 10 CPU s")
    parser.add_argument("--prompts", type=int, default=Setup.prompts)
    parser.add_argument("--samples", type=int, default=Setup.samples, help="responses a prompt")
    parser.add_argument("--initial-scale", type=float, default=Setup.initial_scale)
    parser.add_argument("--sensitivity", action="store_true", help="other set-ups instead")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    setup = Setup(
        prompts=arguments.prompts,
        samples=arguments.samples,
        initial_scale=arguments.initial_scale,
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.sensitivity:
        others = [replace(setup, initial_scale=scale) for scale in (1.0, 2.0, 3.0)]
        others.append(replace(setup, tails=30.0, gold_cost=0.0))
        texts = []
        for other in others:
            texts.append(summary([study(seed, other) for seed in range(arguments.seeds)], other))
            print(texts[-1], "\n", flush=True)
        (arguments.out / "sensitivity.txt").write_text("\n\n".join(texts) + "\n", encoding="utf-8")
        return
    results = []
    for seed in range(arguments.seeds):
        results.append(study(seed, setup))
        print(f"seed {seed} done", flush=True)
    text = summary(results, setup)
    print(text)
    (arguments.out / "summary.txt").write_text(text + "\n", encoding="utf-8")
    write_csv(arguments.out / "overoptimization.csv", results, setup)
    plot(arguments.out / "overoptimization.png", results, setup)


if __name__ == "__main__":
    main()
