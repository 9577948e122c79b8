"""Finding the program in a response. Text in, text out; a linear scan, nothing is run.

Covers: Markdown fences of backticks or tildes, nested as CommonMark nests them, and a response
cut off inside its last fence. Does not cover: telling prose from code where nothing is fenced;
the compiler does that, and the verifier then says `no_answer`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its info string's first word in lower case, its text, and its end."""

    tag: str
    text: str
    closed: bool


def fenced_blocks(response: str) -> list[Block]:
    """All fenced blocks, in order."""
    blocks: list[Block] = []
    fence, tag, lines, indent = "", "", list[str](), 0
    for line in response.splitlines(keepends=True):
        stripped = line.strip()
        if not fence:
            marker = _marker(stripped)
            info = stripped[len(marker) :]
            if marker and not (marker[0] == "`" and "`" in info):
                fence, lines = marker, []
                tag = info.strip().split()[0].lower().strip("{}.") if info.strip() else ""
                indent = len(line) - len(line.lstrip())
            continue
        marker = _marker(stripped)
        if marker == stripped and marker[:1] == fence[0] and len(marker) >= len(fence):
            blocks.append(Block(tag, "".join(lines), True))
            fence = ""
        else:
            lines.append(_dedent(line, indent))
    if fence:
        blocks.append(Block(tag, "".join(lines), False))
    return blocks


def last_block(response: str, tags: Collection[str]) -> Block | None:
    """The last block of a language, else the last without a language, preferring closed ones.

    Args:
        tags: the language's fence tags in lower case.
    """
    blocks = fenced_blocks(response)
    for wanted in (tags, ("",)):
        for closed in (True, False):
            for block in reversed(blocks):
                if block.tag in wanted and block.closed is closed and block.text.strip():
                    return block
    return None


def _marker(stripped: str) -> str:
    for character in ("`", "~"):
        count = len(stripped) - len(stripped.lstrip(character))
        if count >= 3:
            return character * count
    return ""


def _dedent(line: str, indent: int) -> str:
    """A fence inside a list item indents its contents with it."""
    blank = len(line) - len(line.lstrip(" "))
    return line[min(indent, blank) :]
