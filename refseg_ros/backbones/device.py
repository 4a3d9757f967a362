# SPDX-License-Identifier: Apache-2.0
"""Which device and precision the networks run in: explicit, and said aloud."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass

import torch

from refseg_ros.backbones.precision import multiplies_bfloat16
from refseg_ros.errors import ConfigError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Device:
    """A torch device with the precision in which networks run on it.

    Attributes:
        torch_device: Where tensors live.
        dtype: float32 on a CPU; on CUDA bfloat16 where the card has it, else float16.
    """

    torch_device: torch.device
    dtype: torch.dtype

    @classmethod
    def from_name(cls, name: str = "auto") -> Device:
        """Choose a device.

        Args:
            name: ``auto`` (CUDA when there is one, else CPU), ``cpu``, ``cuda`` or ``cuda:N``.

        Raises:
            ConfigError: Another name, or a CUDA device that is not there.
        """
        index = name[len("cuda:") :] if name.startswith("cuda:") else "0"
        if name not in ("auto", "cpu", "cuda") and not (
            name.startswith("cuda:") and index.isdecimal()
        ):
            raise ConfigError(f"device: {name!r} is not one of auto, cpu, cuda, cuda:N")
        available = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if name == "cpu" or (name == "auto" and not available):
            return cls(torch.device("cpu"), torch.float32)
        if int(index) >= available:
            raise ConfigError(
                f"device: {name!r} is not there; torch sees {available} CUDA devices. "
                "Use auto or cpu"
            )
        # Of this card, and from compute capability 8 on: older ones have bfloat16 by emulation.
        native = torch.cuda.get_device_capability(int(index)) >= (8, 0) or torch.version.hip
        dtype = torch.bfloat16 if native else torch.float16
        return cls(torch.device("cuda", int(index)), dtype)

    def precision(self) -> contextlib.AbstractContextManager[object]:
        """A context in which networks run in :attr:`dtype`, weights staying float32."""
        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.torch_device.type, self.dtype)

    def weights(self, precision: str) -> torch.dtype | None:
        """In which type a network's weights are kept, and computed with.

        Args:
            precision: One of :data:`refseg_ros.config.PRECISIONS`.

        Returns:
            None for ``gpu``: float32, computed under :meth:`precision`.
        """
        if precision == "gpu":
            return None
        if precision != "auto":
            named: torch.dtype = getattr(torch, precision)
            return named
        if self.torch_device.type != "cpu":
            return self.dtype
        return torch.bfloat16 if multiplies_bfloat16() else torch.float32

    def emulates(self, dtype: torch.dtype | None) -> bool:
        """Whether products of a type are slow on it, being made of others."""
        if dtype in (None, torch.float32):
            return False
        if self.torch_device.type == "cpu":
            return dtype != torch.bfloat16 or not multiplies_bfloat16()
        return dtype == torch.bfloat16 != self.dtype

    def __str__(self) -> str:
        name = str(self.torch_device)
        if self.torch_device.type == "cuda":
            name += f" {torch.cuda.get_device_name(self.torch_device)}"
        return f"{name} ({str(self.dtype).removeprefix('torch.')})"
