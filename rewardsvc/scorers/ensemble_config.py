"""The configuration of a reward-model ensemble."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from rewardsvc.aggregate import FITTED_OBJECTIVES, OBJECTIVES
from rewardsvc.engines.families import FAMILIES
from rewardsvc.scorers.model_settings import ModelSettings

__all__ = ["EnsembleConfig"]

_OBJECTIVES = (*OBJECTIVES, *FITTED_OBJECTIVES)
_DROPOUT_RATE = 0.1
_Weight = Annotated[float, Field(allow_inf_nan=False)]


class EnsembleConfig(ModelSettings):
    """Configuration of a reward-model ensemble; relative paths start at the file's folder.

    Members come from one of: `directory`, `members` (full models), `trunk` with `adapters`,
    `heads` or `directory` (parts of one model), or one model with `dropout_samples`.
    """

    kind: Literal["ensemble"] = "ensemble"
    directory: str | None = Field(
        None,
        min_length=1,
        description="Folder with the members, and standardisation.json beside them: subfolders "
        "with a model each or, with trunk, with an adapter each, or else head files; "
        "`bundled:demo` is the ensemble that comes with the package.",
    )
    members: tuple[str, ...] = Field(
        (),
        description="Model folders (Hugging Face sequence classifiers in safetensors). "
        "A member's name is its folder's name.",
    )
    trunk: str | None = Field(
        None, min_length=1, description="Model folder that adapters or heads are put on."
    )
    adapters: tuple[str, ...] = Field(
        (), description="PEFT LoRA folders; a member's name is its folder's name."
    )
    heads: tuple[str, ...] = Field(
        (), description="Safetensors files with a head each; a member's name is its file's stem."
    )
    dropout_samples: int | None = Field(
        None, ge=1, le=1024, description="Members made of the one model by dropout."
    )
    dropout_rate: float | None = Field(
        None, gt=0, lt=1, description=f"Share of units dropped; {_DROPOUT_RATE:g} when absent."
    )
    dropout_layers: int | None = Field(
        None, ge=1, description="How many of the top layers drop units; a quarter when absent."
    )
    seed: int | None = Field(
        None, ge=0, le=2**31 - 1, description="Which units are dropped; 0 when absent."
    )
    family: str = Field(
        "bradley_terry",
        description=f"How the models read and score: one of {', '.join(FAMILIES)}.",
    )
    attribute_weights: dict[str, _Weight] = Field(
        {},
        description="family attributes: weight of each attribute by its name in the "
        "checkpoint's id2label; those not named have weight 0.",
    )
    objective: str = Field("uncertainty_weighted", description=f"One of {', '.join(_OBJECTIVES)}.")
    objective_file: str | None = Field(
        None,
        min_length=1,
        description="File of an objective that was fitted on labels; when absent, "
        "<objective>_objective.json in directory.",
    )
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
        "leaves raw scores as they are. When absent: standardisation.json in directory; a "
        "fitted objective's own statistics; none for attributes.",
    )
    truncation: Literal["prompt_left", "response_middle", "reject"] = Field(
        "prompt_left",
        description="What happens to longer inputs: prompt_left drops the prompt's first "
        "tokens, response_middle drops tokens in the middle of the response (both: status "
        "truncated), reject scores none of it (status error).",
    )

    @field_validator("objective")
    @classmethod
    def _known_objective(cls, value: str) -> str:
        if value not in _OBJECTIVES:
            raise ValueError(f"must be one of {', '.join(_OBJECTIVES)}")
        return value

    @field_validator("family")
    @classmethod
    def _known_family(cls, value: str) -> str:
        if value not in FAMILIES:
            raise ValueError(f"must be one of {', '.join(FAMILIES)}")
        return value

    @model_validator(mode="after")
    def _one_source(self) -> EnsembleConfig:
        given = [n for n in ("directory", "members", "adapters", "heads") if getattr(self, n)]
        if self.trunk is None:
            if given not in (["directory"], ["members"]):
                raise ValueError(
                    "give exactly one of directory and members, or trunk with adapters, heads "
                    "or directory"
                )
        elif given not in (["directory"], ["adapters"], ["heads"]):
            raise ValueError("trunk: give exactly one of adapters, heads and directory with it")
        if self.dropout_samples is not None and len(self.members) != 1:
            raise ValueError("dropout_samples: give exactly one model in members with it")
        for name in ("dropout_rate", "dropout_layers", "seed"):
            if getattr(self, name) is not None and self.dropout_samples is None:
                raise ValueError(f"{name} has no meaning without dropout_samples")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> EnsembleConfig:
        fitted = self.objective in FITTED_OBJECTIVES
        takes = {} if fitted else OBJECTIVES[self.objective].defaults
        for name in ("uncertainty_weight", "z"):
            if getattr(self, name) is not None and name not in takes:
                raise ValueError(f"{name} has no meaning for objective {self.objective}")
        if self.objective_file is not None and not fitted:
            raise ValueError(f"objective_file has no meaning for objective {self.objective}")
        if fitted and self.objective_file is None and self.directory is None:
            raise ValueError(f"objective_file: must be given for objective {self.objective}")
        if self.attribute_weights and self.family != "attributes":
            raise ValueError(f"attribute_weights has no meaning for family {self.family}")
        if self.family == "attributes":
            if not any(self.attribute_weights.values()):
                raise ValueError("attribute_weights: family attributes needs one that is not 0")
            if self.standardisation not in (None, "none"):
                raise ValueError(
                    "standardisation: must be none for family attributes, whose weights are for "
                    "the attributes as they are"
                )
        return self

    @property
    def parameters(self) -> dict[str, float]:
        """The objective's parameters that were given."""
        given = {"uncertainty_weight": self.uncertainty_weight, "z": self.z}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def dropout(self) -> dict[str, float | int]:
        """Dropout's settings, with their defaults; empty without dropout."""
        if self.dropout_samples is None:
            return {}
        return {
            "samples": self.dropout_samples,
            "rate": _DROPOUT_RATE if self.dropout_rate is None else self.dropout_rate,
            "layers": self.dropout_layers or 0,
            "seed": self.seed or 0,
        }
