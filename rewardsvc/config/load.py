"""Reads and checks a configuration file.

An unknown key, a missing file or a value out of range is a ConfigError that names the file,
the key, the value and what is allowed; all faults of a file are reported at once.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, Field, ValidationError

from rewardsvc.config.messages import describe, suggestion
from rewardsvc.config.rewards import reward_faults
from rewardsvc.config.sections import Name, RewardConfig, ServerConfig, Strict
from rewardsvc.errors import ConfigError
from rewardsvc.scorers.registry import KINDS, ScorerKind, load_kind


class _File(Strict):
    server: ServerConfig = ServerConfig()
    scorers: Mapping[Name, Mapping[str, Any]] = Field(min_length=1)
    rewards: Mapping[Name, RewardConfig] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class ScorerSpec:
    """A configured scorer: its class and its checked configuration."""

    kind: ScorerKind
    config: BaseModel


@dataclass(frozen=True, slots=True)
class Config:
    """A checked configuration; relative paths in it start at `base_path`."""

    source: str
    base_path: Path
    server: ServerConfig
    scorers: Mapping[str, ScorerSpec]
    rewards: Mapping[str, RewardConfig]


def load_config(path: Path) -> Config:
    """Reads and checks a configuration file; raises ConfigError listing every fault."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    return parse_config(text, source=str(path), base_path=path.resolve().parent)


def with_address(config: Config, address: str) -> Config:
    """The same configuration listening elsewhere; raises ConfigError for no address."""
    try:
        server = ServerConfig.model_validate({**dict(config.server), "address": address})
    except ValidationError as error:
        raise ConfigError(describe(error, ServerConfig, "--address", ("server",))) from error
    return replace(config, server=server)


def parse_config(text: str, *, source: str, base_path: Path) -> Config:
    """Checks a configuration; `source` is the name that errors give."""
    try:
        # _UniqueKeyLoader is a SafeLoader: it makes plain data only.
        data = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: is not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{source}: must hold the keys scorers and rewards, and may hold server")
    try:
        file = _File.model_validate(data)
    except ValidationError as error:
        raise ConfigError(describe(error, _File, source, ())) from error
    faults: list[str] = []
    scorers = {
        name: spec
        for name, section in file.scorers.items()
        if (spec := _scorer(name, dict(section), source, faults)) is not None
    }
    for name, reward in file.rewards.items():
        faults += reward_faults(
            name, reward, file.scorers, source, base_path, has_store=file.server.store is not None
        )
    if faults:
        raise ConfigError("\n".join(faults))
    return Config(source, base_path, file.server, scorers, file.rewards)


def _scorer(
    name: str, section: dict[str, Any], source: str, faults: list[str]
) -> ScorerSpec | None:
    kind = section.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        said = "is missing" if kind is None else f"is {kind!r}"
        faults.append(
            f"{source}: scorers.{name}.kind: {said}; allowed: {', '.join(sorted(KINDS))}"
            + suggestion(kind, KINDS)
        )
        return None
    try:
        scorer_class = load_kind(kind)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("rewardsvc"):
            raise
        faults.append(
            f"{source}: scorers.{name}.kind: {kind!r} needs a package that is not installed "
            f"({error.name}); install rewardsvc with the extra that brings it"
        )
        return None
    try:
        config = scorer_class.config_type.model_validate(section)
    except ValidationError as error:
        faults.append(describe(error, scorer_class.config_type, source, ("scorers", name)))
        return None
    return ScorerSpec(scorer_class, config)


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML as plain data, refusing a key that stands twice in one mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            fault = "is no plain text" if not isinstance(key_node, yaml.ScalarNode) else ""
            if not fault and key_node.value in seen:
                fault = "stands twice"
            if fault:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key_node.value!r} {fault}", key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)
