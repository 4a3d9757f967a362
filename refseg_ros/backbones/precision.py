# SPDX-License-Identifier: Apache-2.0
"""Networks whose weights are kept in another type than float32, converted once at load."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import torch

_CPUINFO: Final = Path("/proc/cpuinfo")
_FLAGS: Final = {"avx512_bf16", "amx_bf16"}


@lru_cache(maxsize=8)
def multiplies_bfloat16(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether this CPU multiplies bfloat16 itself (AVX512_BF16 or AMX); others emulate it slowly.

    Args:
        cpuinfo: Where Linux says what the CPU can do; without that file it cannot.
    """
    try:
        told = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    lines = (line.partition(":") for line in told.splitlines())
    return any(name.strip() == "flags" and _FLAGS & {*flags.split()} for name, _, flags in lines)


def in_dtype(values: Any, dtype: torch.dtype) -> Any:
    """Tensors of any floating type, in lists, tuples and mappings or not, in another one.

    Whatever else there is stays as it is.
    """
    if isinstance(values, torch.Tensor):
        return values.to(dtype) if values.is_floating_point() else values
    if isinstance(values, (list, tuple)):
        return type(values)(in_dtype(value, dtype) for value in values)
    if isinstance(values, Mapping):  # the outputs of transformers among them
        made: Any = type(values)
        return made(**{name: in_dtype(value, dtype) for name, value in values.items()})
    return values


def run_in(module: torch.nn.Module, dtype: torch.dtype) -> None:
    """Keep a network's weights in a type, and compute in it whatever autocast says.

    It is still called with float32, and answers in float32.

    Args:
        module: On its device; changed in place.
        dtype: Of its weights from now on.
    """
    module.to(dtype)
    inner = module.forward
    device = next(module.parameters()).device.type

    def forward(*given: Any, **named: Any) -> Any:
        with torch.autocast(device, enabled=False):
            found = inner(*in_dtype(given, dtype), **in_dtype(named, dtype))
        return in_dtype(found, torch.float32)

    module.forward = forward
