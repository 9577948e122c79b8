"""One small ensemble for all tests of training."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from preference_data import RECIPE, Trained, draw_pairs, write_pairs

from rewardsvc.training.ensemble import train_ensemble


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Seeds decide the result only on a fixed number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    pairs = write_pairs(folder / "pairs.jsonl", draw_pairs(150, seed=1))
    reports: list[str] = []
    train_ensemble(pairs, folder / "ensemble", RECIPE, device="cpu", report=reports.append)
    return Trained(folder / "ensemble", pairs, reports)
