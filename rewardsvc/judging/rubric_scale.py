"""The scale of whole numbers that a judge answers on, and its mapping to [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Scale"]


@dataclass(frozen=True, slots=True)
class Scale:
    """Whole numbers from `minimum` to `maximum`, e.g. 1 to 5 (Prometheus), 1 to 10, 1 to 100.

    ValueError unless 0 ≤ minimum < maximum ≤ 1000.
    """

    minimum: int = 1
    maximum: int = 5

    def __post_init__(self) -> None:
        if not 0 <= self.minimum < self.maximum <= 1000:
            raise ValueError(
                f"scale: is {self.minimum} to {self.maximum}; "
                "must be whole numbers with 0 <= minimum < maximum <= 1000"
            )

    @property
    def numbers(self) -> tuple[int, ...]:
        """All numbers of the scale, ascending."""
        return tuple(range(self.minimum, self.maximum + 1))

    def unit(self, number: float) -> float:
        """A number's place on the scale: 0 at the minimum, 1 at the maximum.

        ValueError for a number that is outside or not finite.
        """
        if not self.minimum <= number <= self.maximum:
            raise ValueError(f"{number!r} is not on the scale {self.minimum} to {self.maximum}")
        return (number - self.minimum) / (self.maximum - self.minimum)
