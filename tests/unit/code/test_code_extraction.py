"""Finding the program in a response."""

from __future__ import annotations

import pytest
from rewardsvc_verifiers.code.extraction import fenced_blocks, last_block

TAGS = frozenset({"python", "py"})


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("```python\na\n```", "a\n"),
        ("```python\na\n```\ntext\n```python\nb\n```\nbye", "b\n"),
        ("```python\na\n```\nruns as\n```\noutput\n```", "a\n"),
        ("```python\na\n```\n```cpp\nb\n```", "a\n"),
        ("```\na\n```", "a\n"),
        ("~~~py\na\n~~~", "a\n"),
        ("````python\nx = '''\n```\n'''\n````", "x = '''\n```\n'''\n"),
        ("1. so:\n   ```python\n   a\n     b\n   ```", "a\n  b\n"),
        ("```python\na\n```\n```python\ncut o", "a\n"),
        ("```python\ncut off", "cut off"),
        ("```Python title=x\na\n```", "a\n"),
        ("``` python\r\na\r\n```", "a\r\n"),
        ("```cpp\na\n```", None),
        ("inline ```python a``` only", None),
        ("```python\n   \n```", None),
        ("no code", None),
    ],
)
def test_the_last_block_of_the_language(response: str, expected: str | None) -> None:
    block = last_block(response, TAGS)
    assert (block.text if block else None) == expected


def test_a_long_response_of_fences_is_read_in_linear_time() -> None:
    assert len(fenced_blocks("```\na\n" * 100_000)) > 1000
