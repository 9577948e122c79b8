"""Multi-attribute reward models: several scores of a conversation, weighted into one.

One output an attribute (helpfulness, correctness, verbosity, …), named by the checkpoint's
id2label; HelpSteer (Wang et al., arXiv 2311.09528) and multi-objective models (MORE, ArmoRM)
are of this family. The score is sum_a weight_a * output_a, with weights from the
configuration, or from the request. The outputs themselves come with every score, so that
other weights can be tried without running the model again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsvc.engines.families.chat import ChatReader
from rewardsvc.engines.families.family import Reader
from rewardsvc.engines.truncation import Truncation

__all__ = ["Attributes"]


class Attributes:
    """Sequence classifiers with a label an attribute."""

    name = "attributes"
    needs_reference = False
    prefers_answers = False
    range: tuple[float | None, float | None] = (None, None)
    properties = {"comparable": "as the model's attributes are"}  # noqa: RUF012 (read only)
    weighted = True

    def reader(self, tokenizer: Any, max_length: int, truncation: Truncation) -> Reader:
        """The chat template's."""
        return ChatReader(tokenizer, max_length, truncation)

    def scores(self, outputs: NDArray[np.float64], weights: Sequence[float]) -> NDArray[np.float64]:
        """The weighted sum over the attributes."""
        with np.errstate(invalid="ignore", over="ignore"):
            weighted: NDArray[np.float64] = outputs @ np.asarray(weights, dtype=np.float64)
        return weighted
