"""Strict configuration from YAML.

An unknown key, a missing file or a value out of range is a ConfigError that names the file,
the key, the value and what is allowed; all faults of a file are reported at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rewardsvc.aggregate.combination import COMBINATIONS
from rewardsvc.calibration import METHODS
from rewardsvc.errors import ConfigError
from rewardsvc.scorers.registry import KINDS, ScorerKind, load_kind

MEBIBYTE = 1024 * 1024
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
"""A scorer's or reward's name: letters, digits, `_`, `.` and `-`, at most 128."""


class Strict(BaseModel):
    """Base of every section: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TlsConfig(Strict):
    """Certificates in PEM files."""

    certificate: Path
    key: Path
    client_authority: Path | None = Field(
        None, description="When given, clients must show a certificate signed by it."
    )


class ServerConfig(Strict):
    """How the server listens, refuses and stops."""

    address: str = Field("127.0.0.1:50051", pattern=r"^(unix:.+|.+:\d{1,5})$")
    """`host:port` (port 0: any free one) or `unix:path`."""
    metrics_address: str | None = Field(None, pattern=r"^.+:\d{1,5}$")
    """Where Prometheus finds `/metrics`; none when absent."""
    tls: TlsConfig | None = None
    max_message_bytes: int = Field(64 * MEBIBYTE, ge=1024, le=1024 * MEBIBYTE)
    stream_messages_in_flight: int = Field(32, ge=1, le=4096)
    """Messages of one stream that are worked on at a time; reading stops meanwhile."""
    drain_delay_seconds: float = Field(0.0, ge=0, le=600)
    """Time between turning NOT_SERVING and refusing new calls, for load balancers to notice."""
    drain_seconds: float = Field(60.0, gt=0, le=3600)
    """Longest wait for accepted requests before they are cancelled."""
    tenant_shares: Mapping[Name, Annotated[float, Field(ge=0.01, le=100)]] = {}
    """Relative share of the engines by tenant; 1 where not named."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class CalibrationConfig(Strict):
    """How a component's raw score becomes a probability."""

    method: str
    labels: Path
    """JSON lines of {"score": number, "label": number in [0, 1]}."""


class ComponentConfig(Strict):
    """One scorer's part in a reward."""

    scorer: Name
    weight: float = Field(1.0, allow_inf_nan=False)
    calibration: CalibrationConfig | None = None


class RewardConfig(Strict):
    """A named reward."""

    description: str = ""
    components: tuple[ComponentConfig, ...] = Field(min_length=1)
    combination: str = "weighted_sum"
    confidence: Name | None = None
    """The component whose confidence is the reward's; by default the only one that has one."""


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
        raise ConfigError(_describe(error, ServerConfig, "--address", ("server",))) from error
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
        raise ConfigError(_describe(error, _File, source, ())) from error
    faults: list[str] = []
    scorers = {
        name: spec
        for name, section in file.scorers.items()
        if (spec := _scorer(name, dict(section), source, faults)) is not None
    }
    for name, reward in file.rewards.items():
        faults += _reward_faults(name, reward, file.scorers, source, base_path)
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
            + _suggestion(kind, KINDS)
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
        faults.append(_describe(error, scorer_class.config_type, source, ("scorers", name)))
        return None
    return ScorerSpec(scorer_class, config)


def _reward_faults(
    name: str,
    reward: RewardConfig,
    scorers: Mapping[str, Any],
    source: str,
    base_path: Path,
) -> list[str]:
    faults = []
    path = f"{source}: rewards.{name}"

    def choice(key: str, value: str, allowed: Sequence[str]) -> None:
        if value not in allowed:
            faults.append(
                f"{path}.{key}: is {value!r}; allowed: {', '.join(sorted(allowed))}"
                + _suggestion(value, allowed)
            )

    choice("combination", reward.combination, list(COMBINATIONS))
    names = [component.scorer for component in reward.components]
    if reward.confidence is not None:
        choice("confidence", reward.confidence, names)
    for index, component in enumerate(reward.components):
        choice(f"components[{index}].scorer", component.scorer, list(scorers))
        if names.index(component.scorer) != index:
            faults.append(f"{path}.components[{index}].scorer: {component.scorer!r} is named twice")
        if component.calibration is not None:
            choice(
                f"components[{index}].calibration.method",
                component.calibration.method,
                list(METHODS),
            )
            labels = base_path / component.calibration.labels
            if not labels.is_file():
                faults.append(f"{path}.components[{index}].calibration.labels: no file at {labels}")
    return faults


# ── messages ─────────────────────────────────────────────────────────────────────────────


def _describe(
    error: ValidationError, model: type[BaseModel], source: str, prefix: tuple[str, ...]
) -> str:
    lines = []
    faults = error.errors(include_url=False)
    for fault in faults:
        # A container complains of having too few valid items; the items say it better.
        if any(
            other["loc"][: len(fault["loc"])] == fault["loc"]
            for other in faults
            if other is not fault
        ):
            continue
        location = (*prefix, *fault["loc"])
        key = _dotted(location)
        if fault["type"] == "extra_forbidden":
            allowed = sorted(_fields_at(model, fault["loc"][:-1]))
            lines.append(
                f"{source}: {key}: unknown key; allowed: {', '.join(allowed)}"
                + _suggestion(fault["loc"][-1], allowed)
            )
        elif fault["type"] == "missing":
            lines.append(f"{source}: {key}: is missing")
        else:
            message = fault["msg"][0].lower() + fault["msg"][1:]
            lines.append(f"{source}: {key}: is {fault['input']!r}; {message}")
    return "\n".join(lines)


def _dotted(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _suggestion(value: object, allowed: Sequence[str] | Mapping[str, object]) -> str:
    close = difflib.get_close_matches(str(value), list(allowed), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _fields_at(annotation: Any, location: Sequence[int | str]) -> Sequence[str]:
    """Names of the fields of the section that `location` leads to, from `annotation`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields
        if not location:
            return list(fields)
        field = fields.get(str(location[0]))
        return [] if field is None else _fields_at(field.annotation, location[1:])
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        found = [name for part in arguments for name in _fields_at(part, location)]
        return list(dict.fromkeys(found))
    if origin is Annotated:
        return _fields_at(arguments[0], location)
    if location and arguments:
        # A mapping's values or a sequence's items.
        item = arguments[-1] if arguments[-1] is not Ellipsis else arguments[0]
        return _fields_at(item, location[1:])
    return []


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
