# SPDX-License-Identifier: Apache-2.0
"""Muon for the matrices of a transformer, AdamW for all else, as one optimiser.

Muon (Jordan et al., 2024) takes the momentum of a matrix to the nearest orthogonal one before it
steps, so that all its directions learn at one pace. A small network without a head start needs
about half the steps of AdamW.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

_FASTER = 2.0  # rate of Muon over that of AdamW
_TABLES = ("embedding", "predictions.decoder", "head")


class MuonAndAdamW:
    """Two optimisers behind the methods of one."""

    def __init__(self, modules: Iterable[nn.Module], *, lr: float, weight_decay: float) -> None:
        """Share the parameters out.

        Args:
            modules: What is trained. Tables of words and the last layers go to AdamW.
            lr: Learning rate.
            weight_decay: Of both.
        """
        named = [item for module in modules for item in module.named_parameters()]
        matrices, others = [], []
        for name, parameter in named:
            table = parameter.ndim != 2 or any(part in name for part in _TABLES)
            (others if table else matrices).append(parameter)
        self._parts = {
            "muon": torch.optim.Muon(
                matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
            ),
            "adamw": torch.optim.AdamW(others, lr=lr, weight_decay=weight_decay),
        }
        # The learning rate is set here from outside, at every step.
        self.param_groups: list[dict[str, Any]] = [{"lr": lr}]

    def step(self) -> None:
        """Descend."""
        rate = self.param_groups[0]["lr"]
        for name, part in self._parts.items():
            for group in part.param_groups:
                group["lr"] = rate * (_FASTER if name == "muon" else 1.0)
            part.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for part in self._parts.values():
            part.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`load_state_dict` needs to continue."""
        return {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where another stopped.

        Raises:
            KeyError: The state is of another optimiser.
        """
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
