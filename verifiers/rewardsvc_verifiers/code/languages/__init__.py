"""Languages by name. Adding one is one file and one line here."""

from __future__ import annotations

from rewardsvc_verifiers.code.languages.base import Language
from rewardsvc_verifiers.code.languages.cpp import Cpp
from rewardsvc_verifiers.code.languages.javascript import JavaScript
from rewardsvc_verifiers.code.languages.python import Python

LANGUAGES: dict[str, Language] = {
    language.name: language for language in (Python(), Cpp(), JavaScript())
}


def language(name: str) -> Language:
    """The language of that name; ValueError naming the known ones."""
    if name not in LANGUAGES:
        raise ValueError(f"language {name!r} is unknown; known: {', '.join(sorted(LANGUAGES))}")
    return LANGUAGES[name]


__all__ = ["LANGUAGES", "Language", "language"]
