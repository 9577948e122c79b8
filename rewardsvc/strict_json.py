"""Reads stored JSON strictly: every key known, every number finite, every fault named."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rewardsvc.errors import ConfigError

__all__ = ["StrictReader"]


class StrictReader:
    """Typed access to one JSON object.

    Raises:
        ConfigError: from every method, for a key that is missing or of the wrong type, and
            when made, for content that is no object or has another schema.
    """

    def __init__(self, content: Any, what: str, schema: str = "") -> None:
        self._what = what
        if not isinstance(content, Mapping):
            raise ConfigError(f"{what}: must be an object, not {type(content).__name__}")
        self._content = content
        if schema and content.get("schema") != schema:
            raise ConfigError(f"{what}: schema is {content.get('schema')!r}; must be {schema!r}")

    def only(self, keys: Collection[str]) -> None:
        """Refuses keys other than these."""
        unknown = sorted(str(key) for key in self._content if key not in keys)
        if unknown:
            raise ConfigError(f"{self._what}: unknown keys: {', '.join(unknown)}")

    def text(self, key: str) -> str:
        """A string."""
        return str(self._get(key, str))

    def flag(self, key: str) -> bool:
        """true or false."""
        return bool(self._get(key, bool))

    def number(self, key: str) -> float:
        """A finite number."""
        return self._finite(key, self._get(key, int, float))

    def number_or_none(self, key: str) -> float | None:
        """A finite number, or null."""
        return None if self._content.get(key, 0) is None else self.number(key)

    def count(self, key: str) -> int:
        """A whole number >= 0."""
        value = self._get(key, int)
        if value < 0:
            self._fail(key, value, "a whole number >= 0")
        return int(value)

    def mapping(self, key: str) -> Mapping[str, Any]:
        """An object with finite numbers, true, false, texts, and lists of finite numbers."""
        value = self._get(key, dict)
        for name, each in value.items():
            if isinstance(each, list):
                for number in each:
                    self._finite(f"{key}.{name}", number)
            elif not isinstance(each, bool | str):
                self._finite(f"{key}.{name}", each)
        return dict(value)

    def array(self, key: str, name: str) -> NDArray[np.float64]:
        """The list of finite numbers `name` in the object `key`."""
        value = self.mapping(key).get(name)
        if not isinstance(value, list):
            self._fail(f"{key}.{name}", value, "a list of numbers")
        return np.array(value, dtype=np.float64)

    def counts(self, key: str) -> dict[str, int]:
        """An object of whole numbers >= 0."""
        inner = StrictReader(self._get(key, dict), f"{self._what}: {key}")
        return {name: inner.count(name) for name in self._content[key]}

    def texts(self, key: str) -> dict[str, str]:
        """An object of strings."""
        inner = StrictReader(self._get(key, dict), f"{self._what}: {key}")
        return {name: inner.text(name) for name in self._content[key]}

    def numbers_or_none(self, key: str) -> dict[str, float | None]:
        """An object of finite numbers and nulls."""
        inner = StrictReader(self._get(key, dict), f"{self._what}: {key}")
        return {name: inner.number_or_none(name) for name in self._content[key]}

    def lines(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        value = self._get(key, list)
        for each in value:
            if not isinstance(each, str):
                self._fail(key, each, "a list of texts")
        return tuple(value)

    def objects(self, key: str) -> list[StrictReader]:
        """A list of objects."""
        value = self._get(key, list)
        return [
            StrictReader(each, f"{self._what}: {key}[{place}]") for place, each in enumerate(value)
        ]

    def object(self, key: str) -> StrictReader:
        """An object."""
        return StrictReader(self._get(key, dict), f"{self._what}: {key}")

    def _get(self, key: str, *kinds: type[Any]) -> Any:
        if key not in self._content:
            raise ConfigError(f"{self._what}: {key}: is missing")
        value = self._content[key]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            self._fail(key, value, " or ".join(_NAMES[kind] for kind in kinds))
        return value

    def _finite(self, key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._fail(key, value, "a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self._fail(key, value, "a finite number")
        return number

    def _fail(self, key: str, value: Any, allowed: str) -> NoReturn:
        raise ConfigError(f"{self._what}: {key}: is {value!r:.80}; must be {allowed}")


_NAMES = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    dict: "an object",
    list: "a list",
}
