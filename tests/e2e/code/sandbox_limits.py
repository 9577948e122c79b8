"""Tight limits for programs that will hit them."""

from __future__ import annotations

from rewardsvc_verifiers.code import Limits

LIMITS = Limits(cpu_seconds=1, wall_seconds=2, output_bytes=4 << 20, memory_bytes=512 << 20)
