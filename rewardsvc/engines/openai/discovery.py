"""Finds the configured model in what /v1/models lists."""

from __future__ import annotations

from dataclasses import dataclass

from rewardsvc.engines.openai.answers import parse_json
from rewardsvc.engines.openai.dialects import Dialect, dialect_of
from rewardsvc.errors import ConfigError

__all__ = ["ServedModel", "find_model"]


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What an endpoint says of a model; what vLLM calls `created` is only when it was asked."""

    name: str
    owner: str
    root: str
    """The checkpoint's path or id; empty where the server does not say."""
    max_length: str

    @property
    def dialect(self) -> Dialect:
        """How the server is asked for guided decoding."""
        return dialect_of(self.owner)


def find_model(body: bytes, url: str, name: str) -> ServedModel:
    """The model called `name`.

    Raises:
        ConfigError: it is not there; names those that are.
    """
    try:
        listed = parse_json(body)["data"]
        models = {str(model["id"]): model for model in listed}
    except (ValueError, TypeError, LookupError):
        raise ConfigError(f"endpoint: {url} does not answer with a list of models") from None
    if name not in models:
        names = ", ".join(repr(known) for known in sorted(models)[:20]) or "none"
        raise ConfigError(f"model: {url} does not list {name!r}; it lists {names}")
    model = models[name]
    return ServedModel(
        name,
        str(model.get("owned_by", "")),
        str(model.get("root", "") or ""),
        str(model.get("max_model_len", "")),
    )
