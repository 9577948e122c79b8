"""Linear layers through oneDNN on processors that the default library is not tuned for.

torch gives float32 products to Intel's MKL, which on other vendors' processors leaves speed
behind (`tests/benchmarks/packed_engine.py` states how much on the machine it is run on).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import linear
from torch.overrides import TorchFunctionMode

__all__ = ["cpu_linear"]


def cpu_linear(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[Any]:
    """While it lasts, `torch.nn.functional.linear` is what is fastest for such tensors here."""
    if device.type != "cpu" or dtype != torch.float32 or not _prefers_onednn():
        return nullcontext()
    return _OneDnnLinear()


@cache
def _prefers_onednn() -> bool:
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    try:
        return "GenuineIntel" not in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False


class _OneDnnLinear(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is linear and not kwargs and len(args) in (2, 3):
            rows, weight, bias = (*args, None)[:3]
            if rows.dtype == weight.dtype == torch.float32 and rows.numel():
                return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
        return func(*args, **(kwargs or {}))
