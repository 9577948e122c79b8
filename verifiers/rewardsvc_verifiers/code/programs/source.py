"""Compiling a program's text; shared by what runs it and what grades it."""

from __future__ import annotations

import types

FILE_NAME = "solution.py"


def compile_source(text: str) -> types.CodeType:
    """Compiles a whole module; raises what `compile` raises."""
    return compile(text, FILE_NAME, "exec", dont_inherit=True)
