"""Scores by an ensemble of reward models, with an objective that can be conservative.

The members run in an engine process; here their scores are standardised by frozen
statistics and aggregated. A member that fails on a sample is reported by name with the
reason, and the sample still has a score as long as `minimum_members` are left.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rewardsvc.aggregate import (
    IDENTITY,
    OBJECTIVES,
    Standardisation,
    disagreement,
    enough_members,
    objective_named,
)
from rewardsvc.engines import EngineProcess
from rewardsvc.engines.model_files import check_model_directory, model_hash
from rewardsvc.errors import ConfigError
from rewardsvc.scorers.scorer import BatchLimits, weigh_by_characters
from rewardsvc.types import (
    Chat,
    Group,
    MemberScore,
    Response,
    Score,
    ScorerDescription,
    Status,
    TokenIds,
)
from rewardsvc.versions import version_of

_ENGINE = "rewardsvc.engines.sequence_classifier:SequenceClassifierEngine"
_BUNDLED = {"bundled:demo": Path(__file__).parent.parent / "demo" / "ensemble"}
_STANDARDISATION_FILE = "standardisation.json"


class EnsembleConfig(BaseModel):
    """Configuration of a reward-model ensemble; relative paths start at the file's folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["ensemble"] = "ensemble"
    directory: str | None = Field(
        None,
        min_length=1,
        description="Folder whose subfolders are the members, with standardisation.json beside "
        "them; `bundled:demo` is the ensemble that comes with the package. "
        "Give this or members.",
    )
    members: tuple[str, ...] = Field(
        (),
        description="Model folders (Hugging Face sequence classifiers with one label, "
        "safetensors). A member's name is its folder's name.",
    )
    objective: str = Field("uncertainty_weighted", description=f"One of {', '.join(OBJECTIVES)}.")
    uncertainty_weight: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="Weight of the variance in uncertainty_weighted; 0.5 when absent. "
        "0.5 suits best-of-n, 0.1 PPO.",
    )
    z: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="Standard deviations below the mean in lower_bound; 1 when absent.",
    )
    minimum_members: int | None = Field(
        None,
        ge=1,
        description="Members that must have scored a sample for it to have a score; "
        "all when absent.",
    )
    standardisation: str | None = Field(
        None,
        min_length=1,
        description="File with each member's frozen mean and standard deviation; `none` "
        "leaves raw scores as they are. When absent: standardisation.json in directory.",
    )
    max_length: int | None = Field(
        None,
        ge=8,
        description="Longest input in tokens; when absent, what each model takes.",
    )
    truncation: Literal["prompt_left", "reject"] = Field(
        "prompt_left",
        description="What happens to longer inputs: prompt_left drops the prompt's first "
        "tokens (status truncated), reject scores none of it (status error).",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: the checkpoint's own on a GPU, float32 on the CPU."
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$",
        description="auto: the first GPU if there is one, else the CPU.",
    )
    threads: int | None = Field(
        None, ge=1, le=1024, description="CPU threads of the engine; torch's choice when absent."
    )
    micro_batch_tokens: int = Field(
        8192, ge=1, le=2**24, description="Padded tokens in one forward pass of one member."
    )
    max_batch_tokens: int = Field(65_536, ge=1, description="Most tokens in one batch.")
    max_batch_samples: int = Field(512, ge=1, description="Most responses in one batch.")
    max_queue_tokens: int = Field(16_777_216, ge=1, description="Most tokens waiting.")
    max_queue_samples: int = Field(65_536, ge=1, description="Most responses waiting.")
    start_timeout_seconds: float = Field(
        600.0, gt=0, le=86_400, description="Longest the members may take to load."
    )
    stall_timeout_seconds: float = Field(
        300.0,
        gt=0,
        le=86_400,
        description="Longest the engine may work without answering before it is killed "
        "and started anew.",
    )

    @field_validator("objective")
    @classmethod
    def _known_objective(cls, value: str) -> str:
        if value not in OBJECTIVES:
            raise ValueError(f"must be one of {', '.join(OBJECTIVES)}")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> EnsembleConfig:
        if (self.directory is None) == (not self.members):
            raise ValueError("give exactly one of directory and members")
        for name in ("uncertainty_weight", "z"):
            takes = OBJECTIVES[self.objective].defaults
            if getattr(self, name) is not None and name not in takes:
                raise ValueError(f"{name} has no meaning for objective {self.objective}")
        return self

    @property
    def parameters(self) -> dict[str, float]:
        """The objective's parameters that were given."""
        given = {"uncertainty_weight": self.uncertainty_weight, "z": self.z}
        return {name: value for name, value in given.items() if value is not None}


class EnsembleScorer:
    """Scores responses with every member and reports the objective over them.

    `value` is the objective over the members' standardised scores, in standard deviations of
    the reference set, higher is better, unbounded.
    """

    config_type: ClassVar[type[BaseModel]] = EnsembleConfig
    needs_reference = False
    range: tuple[float | None, float | None] = (None, None)

    def __init__(self, name: str, config: EnsembleConfig, base_path: Path) -> None:
        """Checks that the members and their standardisation are there; loads no model.

        Raises:
            ConfigError: names the key and the path, and what is missing or allowed.
        """
        self.name = name
        self._config = config
        self._directories = _member_directories(config, base_path)
        self._members = tuple(directory.name for directory in self._directories)
        self._standardisation = _standardisation(config, base_path, self._members)
        self._minimum_members = config.minimum_members or len(self._members)
        if self._minimum_members > len(self._members):
            raise ConfigError(
                f"minimum_members: must be at most {len(self._members)}, the number of members, "
                f"not {self._minimum_members}"
            )
        self._objective = objective_named(config.objective).with_parameters(**config.parameters)
        self.limits = BatchLimits(
            config.max_batch_tokens,
            config.max_batch_samples,
            config.max_queue_tokens,
            config.max_queue_samples,
            batches_in_flight=2,
        )
        self._model_hashes: list[str] | None = None
        self._facts: dict[str, str] = {}
        self._engine = EngineProcess(
            name,
            _ENGINE,
            {
                "members": [str(directory) for directory in self._directories],
                "dtype": config.dtype,
                "device": config.device,
                "threads": config.threads,
                "max_length": config.max_length,
                "truncation": config.truncation,
                "token_budget": config.micro_batch_tokens,
            },
            in_flight=self.limits.batches_in_flight,
            start_seconds=config.start_timeout_seconds,
            stall_seconds=config.stall_timeout_seconds,
        )

    def describe(self) -> ScorerDescription:
        """Members, objective and version.

        The version covers weights, tokenizers, standardisation, objective and settings; before
        `start` has read the weights it says so.
        """
        if self._model_hashes is None:
            version = "ensemble-not-loaded"
        else:
            version = version_of(
                "ensemble-1",
                self._config.objective,
                repr(self._config.parameters),
                self._standardisation.version,
                str(self._minimum_members),
                f"{self._config.max_length} {self._config.truncation} {self._config.dtype}",
                *self._members,
                *self._model_hashes,
            )
        return ScorerDescription(
            self.name,
            "ensemble",
            version,
            members=self._members,
            objective=self._config.objective,
            properties={
                "standardisation": self._standardisation.version,
                "minimum_members": str(self._minimum_members),
                **{key: f"{value:g}" for key, value in self._config.parameters.items()},
                **self._facts,
            },
        )

    def weigh(self, group: Group) -> list[int]:
        """By characters: the batches need an estimate only."""
        return weigh_by_characters(group)

    async def start(self) -> None:
        """Starts the engine process, which loads and warms up every member.

        Raises:
            ConfigError: a member cannot be used; names its folder and what is wrong.
            EngineDown: the process could not be started.
        """
        hashing = asyncio.gather(
            *(asyncio.to_thread(model_hash, directory) for directory in self._directories)
        )
        try:
            information = await self._engine.start()
        except BaseException:
            hashing.cancel()
            raise
        self._model_hashes = list(await hashing)
        self._facts = {"device": information["device"]}

    async def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        """Scores one batch.

        Raises:
            EngineCrashed, EngineDown, EngineCallFailed: the batch could not be run.
        """
        samples: list[dict[str, Any]] = []
        refusals: dict[int, str] = {}
        for group in groups:
            for response in group.responses:
                sample = _sample(group, response)
                if isinstance(sample, str):
                    refusals[len(samples)] = sample
                    sample = {"ids": [b"", b""], "hash": ""}
                samples.append(sample)
        reply = await self._engine.call({"samples": samples})
        scores = self._interpret(reply, len(samples))
        for index, reason in refusals.items():
            scores[index] = Score.unscored(Status.ERROR, reason)
        remaining = iter(scores)
        return [[next(remaining) for _ in group.responses] for group in groups]

    async def close(self) -> None:
        """Kills the engine process."""
        await self._engine.close()

    def _interpret(self, reply: Mapping[str, Any], count: int) -> list[Score]:
        raw = np.frombuffer(reply["scores"]).reshape(count, len(self._members))
        failures: dict[int, dict[int, str]] = defaultdict(dict)
        for sample, member, reason in reply["failures"]:
            failures[sample][member] = reason
        truncations = dict(reply["truncations"])
        standardised = self._standardisation.apply(raw, self._members)
        values = self._objective(standardised)
        apart = disagreement(standardised)
        enough = enough_members(standardised, self._minimum_members) & np.isfinite(values)
        scores = []
        for index in range(count):
            members = tuple(
                self._member_score(k, raw[index, k], standardised[index, k], failures[index])
                for k in range(len(self._members))
            )
            if enough[index]:
                status = Status.TRUNCATED if index in truncations else Status.OK
                reason = truncations.get(index, "")
                value, spread = float(values[index]), float(apart[index])
            else:
                status, value, spread = Status.ERROR, None, None
                reason = self._too_few(members)
            scores.append(Score(status, value, reason, members=members, disagreement=spread))
        return scores

    def _member_score(
        self, member: int, raw: float, standardised: float, failures: Mapping[int, str]
    ) -> MemberScore:
        name = self._members[member]
        if member in failures:
            return MemberScore(name, None, None, failures[member])
        if not np.isfinite(raw) or not np.isfinite(standardised):
            return MemberScore(name, None, None, f"its score is not finite: {raw}")
        return MemberScore(name, float(raw), float(standardised))

    def _too_few(self, members: Sequence[MemberScore]) -> str:
        failed = [member for member in members if member.failure]
        reasons = dict.fromkeys(member.failure for member in failed)
        if len(reasons) == 1:
            why = f"{', '.join(member.name for member in failed)}: {failed[0].failure}"
        else:
            why = "; ".join(f"{member.name}: {member.failure}" for member in failed)
        return (
            f"{len(members) - len(failed)} of {len(members)} members have a score, "
            f"{self._minimum_members} are needed; {why}"
        )


def _sample(group: Group, response: Response) -> dict[str, Any] | str:
    """The sample as the engine takes it, or why it cannot."""
    prompt, text = group.prompt, response.text
    if isinstance(prompt, TokenIds) and isinstance(text, TokenIds):
        if prompt.tokenizer_hash != text.tokenizer_hash:
            return "the tokenizer hashes of prompt and response differ"
        parts = [prompt.little_endian_int32, text.little_endian_int32]
        if any(len(part) % 4 for part in parts):
            return "token ids must be a multiple of 4 bytes (little-endian int32)"
        return {"ids": parts, "hash": text.tokenizer_hash}
    if isinstance(prompt, TokenIds) or isinstance(text, TokenIds):
        return "prompt and response must both be text or both be token ids"
    if isinstance(prompt, Chat):
        messages = [[message.role, message.content] for message in prompt.messages]
    else:
        messages = [["user", prompt]]
    return {"messages": [*messages, ["assistant", text]]}


def _resolve(path: str, base_path: Path) -> Path:
    return _BUNDLED.get(path) or base_path / path


def _member_directories(config: EnsembleConfig, base_path: Path) -> list[Path]:
    if config.directory is not None:
        directory = _resolve(config.directory, base_path)
        if not directory.is_dir():
            raise ConfigError(f"directory: no such folder: {directory}")
        directories = sorted(p.parent for p in directory.glob("*/config.json"))
        if not directories:
            raise ConfigError(f"directory: no model folders (with config.json) in {directory}")
    else:
        directories = [_resolve(member, base_path) for member in config.members]
    names = [directory.name for directory in directories]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"members: two are called {name!r}; their folders' names must differ")
    for directory in directories:
        check_model_directory(directory)
    return directories


def _standardisation(
    config: EnsembleConfig, base_path: Path, members: Sequence[str]
) -> Standardisation:
    if config.standardisation == "none":
        return IDENTITY
    if config.standardisation is not None:
        path = _resolve(config.standardisation, base_path)
    elif config.directory is not None:
        path = _resolve(config.directory, base_path) / _STANDARDISATION_FILE
    else:
        raise ConfigError(
            "standardisation: must be given with members: a file with each member's mean and "
            "std, or `none` to leave raw scores as they are"
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
