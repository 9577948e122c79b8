"""The kinds of ensembles: where the members come from and what they share.

One file a kind, one line here; a kind's file is loaded when it is used (adapters bring PEFT).
Imports torch: used only inside an engine process.
"""

from __future__ import annotations

from importlib import import_module

from rewardsvc.engines.loading import Settings
from rewardsvc.engines.members.member_set import MemberSet, Source

__all__ = ["MEMBER_KINDS", "MemberSet", "Source", "load_members"]

MEMBER_KINDS = {
    "adapters": "rewardsvc.engines.members.adapters:load_adapters",
    "dropout": "rewardsvc.engines.members.dropout:load_dropout",
    "full_models": "rewardsvc.engines.members.full_models:load_full_models",
    "heads": "rewardsvc.engines.members.heads:load_heads",
}


def load_members(kind: str, source: Source, settings: Settings) -> list[MemberSet]:
    """The members of an ensemble of a kind; ConfigError where they cannot be used."""
    module, _, name = MEMBER_KINDS[kind].partition(":")
    members: list[MemberSet] = getattr(import_module(module), name)(source, settings)
    return members
