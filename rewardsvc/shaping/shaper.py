"""What a kind of shaping is: checked settings and one pure function on a group."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from rewardsvc.shaping.view import GroupView, Shaped

__all__ = ["Shaper"]


class Shaper(BaseModel):
    """Settings of one step of shaping, and the step.

    A subclass names itself by a `kind: Literal[...]` field and implements `shape`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    group_wise: ClassVar[bool] = False
    """Whether it looks at a group as a whole: an incomplete group then gets no reward."""
    normalises: ClassVar[bool] = False
    """Whether the outcome is an advantage, or loses its meaning under group standardisation."""

    def shape(self, group: GroupView) -> Shaped:
        """Shapes one group. Places without a reward stay without one."""
        raise NotImplementedError

    @property
    def is_group_wise(self) -> bool:
        """Whether these settings look at the group as a whole."""
        return self.group_wise

    @property
    def components(self) -> tuple[str, ...]:
        """Names of the components that these settings refer to."""
        return ()

    def range_after(
        self, minimum: float | None, maximum: float | None
    ) -> tuple[float | None, float | None]:
        """Smallest and largest reward afterwards, given those before; None where unbounded."""
        return None, None
