"""The engine of hidden-state verifiers: what thinking changes in a model, against centroids.

A causal language model reads the prompt and the response as far as the end of its thinking; the
feature is its hidden states at the end marker less those at the start marker, after every
layer. Imports torch: used only inside an engine process, and by training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rewardsvc.engines.conversation import ConversationEncoder, Message
from rewardsvc.engines.hidden_states.centroid_files import load_centroids, read_facts
from rewardsvc.engines.hidden_states.layer_states import open_layers
from rewardsvc.engines.hidden_states.thinking import (
    Markers,
    NoThinking,
    find_thinking,
    open_tail,
)
from rewardsvc.engines.loading import Settings, load_causal_model, one_line, prepare_torch
from rewardsvc.engines.members.member_set import open_files
from rewardsvc.engines.packed.layout import MicroBatch
from rewardsvc.engines.passes import TokenSequence, run_sequences
from rewardsvc.errors import ConfigError

__all__ = ["FeatureReader", "HiddenStateEngine", "Readings"]

Consume = Callable[[NDArray[np.int64], NDArray[np.float32]], None]
"""Takes places of texts in the request, (n,), and their features, (n, layers, hidden)."""


@dataclass(slots=True)
class Readings:
    """Texts of a request, tokenised. A text is named by its place among all of them.

    Attributes:
        count: All texts.
        places: Those that can be read.
        sequences: What is read of each.
        nothing: The texts that have no feature, and why.
        failures: The texts that could not be read, and why.
    """

    count: int = 0
    places: list[int] = field(default_factory=list)
    sequences: list[TokenSequence] = field(default_factory=list)
    nothing: dict[int, NoThinking] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)


class FeatureReader:
    """Reads features of responses with a model of a directory.

    Raises:
        ConfigError: the model cannot be loaded, or not be read layer by layer.
    """

    def __init__(self, directory: Path, markers: Markers, settings: Settings) -> None:
        prepare_torch(settings)
        self._settings = settings
        self._markers = markers
        self.files = open_files(directory, load_causal_model(directory, settings), settings)
        self._layers = open_layers(self.files, settings)
        self._encoder = ConversationEncoder(self.files.tokenizer)
        self._start, self._end = self._ids(markers.start), self._ids(markers.end)
        opened = self._encoder.with_open_turn([{"role": "user", "content": "a"}])
        self._opened = open_tail(opened, markers.start, self.files.tokenizer.decode)

    @property
    def engine(self) -> str:
        """How the model is run."""
        return self._layers.engine

    @property
    def shape(self) -> tuple[int, int]:
        """Of a feature: layers and hidden size."""
        config = self.files.model.config.get_text_config()
        return int(config.num_hidden_layers), int(config.hidden_size)

    def prepare(self, groups: Sequence[tuple[Sequence[Sequence[str]], Sequence[str]]]) -> Readings:
        """Tokenises prompts, each as messages [role, content], and the responses to each."""
        readings = Readings()
        for number, (prompt, texts) in enumerate(groups):
            messages: list[Message] = [{"role": r, "content": c} for r, c in prompt]
            try:
                before = self._encoder.with_open_turn(messages)
            except Exception as error:
                reason = f"cannot be tokenised: {one_line(error)}"
                places = range(readings.count, readings.count + len(texts))
                readings.failures.update(dict.fromkeys(places, reason))
                readings.count += len(texts)
                continue
            for text in texts:
                self._add(readings, before, text, number)
        return readings

    def read(self, readings: Readings, consume: Consume) -> None:
        """Gives features to `consume`, a few at a time; adds to the failures of the readings."""

        @torch.inference_mode()
        def compute(batch: MicroBatch, owners: NDArray[np.int64]) -> Tensor:
            states = self._layers.states(batch)
            # The two reads of a sequence stand side by side.
            features = (states[1::2].float() - states[0::2].float()).cpu().numpy()
            finite = np.isfinite(features).all(axis=(1, 2))
            consume(places[owners[0::2][finite]], features[finite])
            return torch.from_numpy(np.repeat(finite, 2))

        places = np.array(readings.places, dtype=np.int64)
        read, failed = run_sequences(
            readings.sequences,
            compute,
            token_budget=self._settings.token_budget,
            share_prefix=self.engine == "packed",
        )
        for index, place in enumerate(readings.places):
            if index in failed:
                readings.failures[place] = failed[index]
            elif not read[index].all():
                readings.failures[place] = "the model's hidden states are not finite"

    def _add(self, readings: Readings, before: list[int], text: str, group: int) -> None:
        place = readings.count
        readings.count += 1
        try:
            sequence = self._sequence(before, text, group)
        except NoThinking as error:
            readings.nothing[place] = error
        except Exception as error:
            readings.failures[place] = f"cannot be tokenised: {one_line(error)}"
        else:
            readings.places.append(place)
            readings.sequences.append(sequence)

    def _sequence(self, before: list[int], text: str, group: int) -> TokenSequence:
        thinking = find_thinking(text, self._markers, opened=self._opened is not None)
        first, last = self._opened or (0, 0)
        if thinking.before is None:
            ids = list(before)
            start = len(ids) - last
        else:
            # The response opens its thinking itself: the template must not do it as well.
            ids = before[: len(before) - first]
            ids += [*self._encoder.encode_plain(thinking.before), *self._start]
            start = len(ids) - 1
        ids += [*self._encoder.encode_plain(thinking.inside), *self._end]
        if len(ids) > self.files.max_length:
            raise NoThinking(
                "too long",
                f"too long: {len(ids)} tokens up to the end of the thinking; the model takes "
                f"{self.files.max_length}, and thinking that is cut is not compared",
            )
        if max(ids) >= self.files.vocabulary:
            raise ValueError(f"token id {max(ids)}: the model has {self.files.vocabulary}")
        return TokenSequence(ids, (start, len(ids) - 1), group)

    def _ids(self, marker: str) -> list[int]:
        """A marker as the one token it is in the vocabulary, or as plain text."""
        token = self._encoder.token(marker)
        return self._encoder.encode_plain(marker) if token is None else [token]


class HiddenStateEngine:
    """Distances of responses to the centroids of right and of wrong ones.

    Args:
        model: Directory of a causal language model.
        centroids: Directory of centroids of that model; whether they are is the caller's to
            check, who hashes the model.
        settings: Fields of Settings.

    A request is `{"groups": [[[[role, content], …], [text, …]], …]}`: prompts and the responses
    to each. The reply has, by place among all texts, `distances` [[place, to success,
    to failure], …], and the others in `abstained` and `failures`, [[place, reason], …].
    """

    def __init__(self, model: str, centroids: str, settings: Mapping[str, Any]) -> None:
        self._directory, self._centroid_directory = Path(model), Path(centroids)
        self._settings = Settings(**settings)

    def start(self) -> dict[str, Any]:
        """Loads the model and the centroids, and checks their shapes."""
        facts = read_facts(self._centroid_directory)
        self._centroids = load_centroids(self._centroid_directory, facts)
        self._reader = FeatureReader(self._directory, facts.markers, self._settings)
        if self._reader.shape != (facts.layers, facts.hidden_size):
            raise ConfigError(
                f"{self._centroid_directory}: are centroids of {facts.layers} layers of "
                f"{facts.hidden_size}; the model has {self._reader.shape[0]} of "
                f"{self._reader.shape[1]}"
            )
        return {
            "device": str(self._settings.torch_device),
            "engine": self._reader.engine,
            "dtype": str(self._reader.files.model.dtype).removeprefix("torch."),
        }

    def prepare(self, request: Any) -> Readings:
        """Tokenises the request's texts."""
        return self._reader.prepare(request["groups"])

    def run(self, work: Readings) -> dict[str, Any]:
        """Reads what `prepare` made ready."""
        distances: list[tuple[int, float, float]] = []

        def compare(places: NDArray[np.int64], features: NDArray[np.float32]) -> None:
            found = self._centroids.distances(features)
            distances.extend(
                zip(places.tolist(), found.to_right.tolist(), found.to_wrong.tolist(), strict=True)
            )

        self._reader.read(work, compare)
        return {
            "distances": distances,
            "abstained": [(place, why.reason) for place, why in work.nothing.items()],
            "failures": list(work.failures.items()),
        }
