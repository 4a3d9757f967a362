# SPDX-License-Identifier: Apache-2.0
"""Muon for matrices and convolutions, AdamW for all else, as one optimiser.

Muon (Jordan et al., 2024) takes the momentum of a matrix to the nearest orthogonal one before it
steps, so that all its directions learn at one pace. A small network without a head start needs
about half the steps of AdamW.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

_FASTER = 2.0  # rate of Muon over that of AdamW
_THINNEST = 16  # shorter side of a matrix from which on its directions are worth evening out
_TABLES = ("embedding", "predictions.decoder", "head")


class MuonAndAdamW:
    """Two optimisers behind the methods of one."""

    def __init__(self, modules: Iterable[nn.Module], *, lr: float, weight_decay: float) -> None:
        """Share the parameters out.

        Args:
            modules: What is trained. Tables of words, the last layers and what has few rows or
                columns go to AdamW. Weights must stay where they are in memory.
            lr: Learning rate.
            weight_decay: Weight decay of both optimisers.
        """
        named = [item for module in modules for item in module.named_parameters()]
        matrices: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        self._views: list[tuple[nn.Parameter, nn.Parameter]] = []
        for name, parameter in named:
            flat = _as_matrix(parameter)
            if flat is None or any(part in name for part in _TABLES):
                others.append(parameter)
            elif flat is parameter:
                matrices.append(parameter)
            else:
                matrices.append(flat)
                self._views.append((parameter, flat))
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
        for parameter, flat in self._views:
            gradient = parameter.grad
            flat.grad = None if gradient is None else _rows(gradient, like=parameter)
        for name, part in self._parts.items():
            for group in part.param_groups:
                group["lr"] = rate * (_FASTER if name == "muon" else 1.0)
            part.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for part in self._parts.values():
            part.zero_grad()
        for parameter, _ in self._views:
            parameter.grad = None

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


def _as_matrix(parameter: nn.Parameter) -> nn.Parameter | None:
    """The same memory with a row for each filter, or None if it is no matrix worth the effort."""
    if parameter.ndim not in (2, 4) or min(len(parameter), parameter[0].numel()) < _THINNEST:
        return None
    if parameter.ndim == 2:
        return parameter
    return nn.Parameter(_rows(parameter.data, like=parameter))


def _rows(values: Tensor, *, like: Tensor) -> Tensor:
    """(filters, all else), in the order that the weights of a convolution have in memory."""
    last = like.is_contiguous(memory_format=torch.channels_last)
    return (values.permute(0, 2, 3, 1) if last else values).flatten(1)
