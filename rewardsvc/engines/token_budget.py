"""How many tokens one sample may cost a reward that asks language models about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rewardsvc.engines.generation import GenerationFailed, GenerationRequest
from rewardsvc.types import Usage

__all__ = ["TokenBudget"]

_CHARACTERS_A_TOKEN = 4


@dataclass(slots=True)
class TokenBudget:
    """The budget of one sample; make one for each.

    It counts what models read and write: prompt tokens that came from no prefix cache, and
    completion tokens. Before a request its prompt is estimated at four characters a token.
    """

    tokens: int
    """All that the sample may cost, at least 1."""
    least_completion: int = 16
    """A completion that could not have this many tokens is not asked for."""
    spent: int = 0

    def admit(self, request: GenerationRequest) -> GenerationRequest:
        """The request with `max_tokens` lowered so that all its samples fit what is left.

        Raises:
            GenerationFailed: what is left does not pay for the prompt and a least completion.
        """
        samples = request.samples if request.temperature > 0 else 1
        characters = sum(len(message.content) for message in request.messages)
        prompt = characters // _CHARACTERS_A_TOKEN + 1
        left = self.tokens - self.spent
        most = (left - prompt) // samples
        if most < min(self.least_completion, request.max_tokens):
            raise GenerationFailed(
                f"the sample's budget of {self.tokens} tokens does not suffice: {self.spent} are "
                f"spent, and this request needs about {prompt} for its prompt and at least "
                f"{self.least_completion} for each of {samples} completions"
            )
        return replace(request, max_tokens=min(request.max_tokens, most))

    def charge(self, usage: Usage) -> None:
        """Counts what a request cost; answers from the service's cache cost nothing."""
        self.spent += usage.prompt_tokens - usage.cached_prompt_tokens + usage.completion_tokens
