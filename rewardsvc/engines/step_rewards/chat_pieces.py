"""A conversation through the tokenizer's chat template, as pieces: ours, and the messages'."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, TypeAlias

from rewardsvc.engines.step_rewards.step_format import Kind, Piece
from rewardsvc.errors import ConfigError

__all__ = ["Turn", "chat_pieces"]

Turn: TypeAlias = tuple[str, str | Sequence[Piece]]
"""A role, and a message: text, or pieces of it."""


def chat_pieces(tokenizer: Any, turns: Sequence[Turn]) -> list[Piece]:
    """The conversation as the template writes it, cut around the messages.

    The template never sees the messages' text, which therefore cannot end a turn. What follows
    the last mark is left out: it is after everything that is read.

    Raises:
        ConfigError: the template leaves out or repeats a message.
    """
    names = [f"content{secrets.token_hex(8)}" for _ in turns]
    text: str = tokenizer.apply_chat_template(
        [{"role": role, "content": name} for (role, _), name in zip(turns, names, strict=True)],
        tokenize=False,
    )
    pieces: list[Piece] = []
    for (role, content), name in zip(turns, names, strict=True):
        before, found, text = text.partition(name)
        if not found or name in text:
            raise ConfigError(f"tokenizer: its chat template does not write a {role}'s turn once")
        pieces.append(Piece(before, Kind.STRUCTURE))
        if isinstance(content, str):
            pieces.append(Piece(content.strip(), Kind.CONTENT))
        else:
            pieces += content
    return pieces
