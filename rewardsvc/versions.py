"""Versions by content: the same configuration has the same version on every replica."""

from __future__ import annotations

import hashlib
import json

from pydantic import BaseModel


def version_of(prefix: str, *parts: BaseModel | str) -> str:
    """`prefix` with a short hash of the parts; any change of a part changes it."""
    digest = hashlib.sha256()
    for part in parts:
        text = part if isinstance(part, str) else json.dumps(part.model_dump(mode="json"))
        digest.update(f"{len(text)}:{text}".encode())
    return f"{prefix}-{digest.hexdigest()[:12]}"
