"""Finds an ensemble's members, statistics and fitted objective, and checks that they are there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rewardsvc.aggregate import (
    FITTED_OBJECTIVES,
    IDENTITY,
    LearnedObjective,
    MemberStatistics,
    Standardisation,
)
from rewardsvc.engines.families import FAMILIES
from rewardsvc.engines.model_files import (
    ADAPTER_CONFIG,
    adapter_hash,
    check_adapter_directory,
    check_model_directory,
    check_one_output,
    hash_files,
    labels_of,
    model_hash,
)
from rewardsvc.errors import ConfigError
from rewardsvc.scorers.ensemble_config import EnsembleConfig

__all__ = ["EnsembleFiles", "find_files", "find_objective", "find_standardisation"]

_BUNDLED = {"bundled:demo": Path(__file__).parent.parent / "demo" / "ensemble"}
_STANDARDISATION_FILE = "standardisation.json"


@dataclass(frozen=True, slots=True)
class EnsembleFiles:
    """Where the members are.

    Attributes:
        kind: One of `rewardsvc.engines.members.MEMBER_KINDS`.
        names: The members', in order.
        directories: Model folders, or the one model or trunk.
        parts: Adapter folders or head files.
        labels: What each model's outputs are called.
    """

    kind: str
    names: tuple[str, ...]
    directories: tuple[Path, ...]
    parts: tuple[Path, ...] = ()
    labels: tuple[str, ...] = ("score",)

    def hashing(self) -> list[Callable[[], str]]:
        """What hashes all that decides the members' raw scores; reads every weight."""
        return [
            *(partial(model_hash, directory) for directory in self.directories),
            *(partial(adapter_hash if p.is_dir() else hash_files, p) for p in self.parts),
        ]


def find_files(config: EnsembleConfig, base_path: Path) -> EnsembleFiles:
    """The ensemble's members.

    Raises:
        ConfigError: names the key and the path, and what is missing or allowed.
    """
    if config.trunk is not None:
        return _parts_of_one(config, base_path)
    if config.directory is not None:
        directory = _folder(config.directory, base_path)
        directories = sorted(path.parent for path in directory.glob("*/config.json"))
        if not directories:
            raise ConfigError(f"directory: no model folders (with config.json) in {directory}")
    else:
        directories = [_resolve(member, base_path) for member in config.members]
    names = _distinct("members", [directory.name for directory in directories])
    for directory in directories:
        check_model_directory(directory)
    labels = _labels(config, directories)
    if config.dropout_samples is not None:
        names = tuple(f"dropout-{number + 1}" for number in range(config.dropout_samples))
        return EnsembleFiles("dropout", names, tuple(directories), (), labels)
    return EnsembleFiles("full_models", names, tuple(directories), (), labels)


def _parts_of_one(config: EnsembleConfig, base_path: Path) -> EnsembleFiles:
    assert config.trunk is not None
    trunk = _resolve(config.trunk, base_path)
    check_model_directory(trunk)
    adapters = [_resolve(path, base_path) for path in config.adapters]
    heads = [_resolve(path, base_path) for path in config.heads]
    if config.directory is not None:
        directory = _folder(config.directory, base_path)
        adapters = sorted(path.parent for path in directory.glob(f"*/{ADAPTER_CONFIG}"))
        heads = [] if adapters else sorted(directory.glob("*.safetensors"))
        if not adapters and not heads:
            raise ConfigError(
                f"directory: neither adapter folders (with {ADAPTER_CONFIG}) nor head files "
                f"(*.safetensors) in {directory}"
            )
    for adapter in adapters:
        check_adapter_directory(adapter)
    for head in heads:
        if not head.is_file():
            raise ConfigError(f"heads: no file at {head}")
    labels = labels_of(trunk) if FAMILIES[config.family].weighted else ("score",)
    _check_weights(config, trunk, labels)
    if adapters:
        names = _distinct("adapters", [path.name for path in adapters])
        return EnsembleFiles("adapters", names, (trunk,), tuple(adapters), labels)
    names = _distinct("heads", [path.stem for path in heads])
    return EnsembleFiles("heads", names, (trunk,), tuple(heads), labels)


def _labels(config: EnsembleConfig, directories: Sequence[Path]) -> tuple[str, ...]:
    if not FAMILIES[config.family].weighted:
        for directory in directories:
            labels_of(directory)
            check_one_output(directory)
        return ("score",)
    labels = labels_of(directories[0])
    for directory in directories[1:]:
        if labels_of(directory) != labels:
            raise ConfigError(
                f"{directory / 'config.json'}: id2label: has {', '.join(labels_of(directory))}, "
                f"but {directories[0].name} has {', '.join(labels)}"
            )
    _check_weights(config, directories[0], labels)
    return labels


def _check_weights(config: EnsembleConfig, directory: Path, labels: Sequence[str]) -> None:
    for label in labels:
        if "," in label or labels.count(label) > 1:
            raise ConfigError(
                f"{directory / 'config.json'}: id2label: {label!r}: names must differ and have "
                "no comma"
            )
    for name in config.attribute_weights:
        if name not in labels:
            raise ConfigError(
                f"attribute_weights.{name}: is no attribute of {directory}; "
                f"it has {', '.join(labels)}"
            )


def find_objective(
    config: EnsembleConfig, base_path: Path, members: Sequence[str]
) -> LearnedObjective | None:
    """The fitted objective; None where the objective is not a fitted one."""
    if config.objective not in FITTED_OBJECTIVES:
        return None
    if config.objective_file is not None:
        path = _resolve(config.objective_file, base_path)
    else:
        assert config.directory is not None
        path = _resolve(config.directory, base_path) / f"{config.objective}_objective.json"
    if not path.is_file():
        raise ConfigError(f"objective_file: no file at {path}")
    return FITTED_OBJECTIVES[config.objective](path, members)


def find_standardisation(
    config: EnsembleConfig,
    base_path: Path,
    members: Sequence[str],
    fitted: LearnedObjective | None,
) -> Standardisation:
    """Each member's frozen statistics.

    Raises:
        ConfigError: they are not there, or not of these members.
    """
    if config.standardisation == "none" or config.family == "attributes":
        return IDENTITY
    if config.standardisation is not None:
        path = _resolve(config.standardisation, base_path)
    elif fitted is not None:
        statistics = {m.name: MemberStatistics(m.mean, m.std) for m in fitted.members}
        return Standardisation(statistics, fitted.made_from)
    elif config.directory is not None:
        path = _resolve(config.directory, base_path) / _STANDARDISATION_FILE
    else:
        raise ConfigError(
            f"standardisation: must be given with {_source(config)}: a file with each member's "
            "mean and std, or `none` to leave raw scores as they are"
        )
    if not path.is_file():
        raise ConfigError(
            f"standardisation: no file at {path}; make one, or say `none` to leave raw scores "
            "as they are"
        )
    standardisation = Standardisation.load(path)
    missing = [name for name in members if name not in standardisation.members]
    if missing:
        raise ConfigError(
            f"{path}: members: {', '.join(missing)} missing; "
            f"there are {', '.join(standardisation.members)}"
        )
    return standardisation


def _source(config: EnsembleConfig) -> str:
    return "members" if config.members else "adapters" if config.adapters else "heads"


def _resolve(path: str, base_path: Path) -> Path:
    return _BUNDLED.get(path) or base_path / path


def _folder(path: str, base_path: Path) -> Path:
    directory = _resolve(path, base_path)
    if not directory.is_dir():
        raise ConfigError(f"directory: no such folder: {directory}")
    return directory


def _distinct(key: str, names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{key}: two are called {name!r}; their names must differ")
    return tuple(names)
