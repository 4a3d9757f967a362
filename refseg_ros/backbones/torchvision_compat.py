# SPDX-License-Identifier: Apache-2.0
"""Makes torchvision importable beside a torch build that its binary does not fit.

The wheels of torchvision are linked against CUDA. Beside a CPU-only torch their operators cannot
be loaded, and ``import torchvision`` fails with "operator torchvision::nms does not exist"; so
do open_clip, segment_anything and transformers, which import it. Where that happens, and only
there, the operators are declared and non-maximum suppression is given in plain torch.
"""

from __future__ import annotations

import functools
import importlib
import logging
import sys

import torch

logger = logging.getLogger(__name__)

_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@functools.cache
def ensure() -> str:
    """Import torchvision, mending it first if that is needed.

    Call it before importing anything that imports torchvision; repeated calls cost nothing.

    Returns:
        ``native`` where torchvision works by itself, ``patched`` where its operators were
        given here, ``absent`` where it is not installed.

    Raises:
        ImportError: It is installed and cannot be imported even so.
    """
    try:
        importlib.import_module("torchvision")
    except ModuleNotFoundError as error:
        if error.name == "torchvision":
            return "absent"
        raise
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise ImportError(f"torchvision cannot be imported: {error}") from error
    else:
        return "native"
    # What the failed import left behind would be found again instead of imported.
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = _declare_operators()
    extension = importlib.import_module("torchvision.extension")
    # The declaration lives as long as the object that made it: the function holds it.
    vars(extension)["_has_ops"] = lambda: library is not None
    logger.info("torchvision's binary does not fit this torch: its NMS runs in plain torch")
    return "patched"


def _declare_operators() -> torch.library.Library:
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}{_SIGNATURE}")
    library.impl("nms", nms, "CPU")
    return library


def nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Greedy non-maximum suppression, as ``torchvision.ops.nms`` defines it.

    Args:
        boxes: (N, 4) ``x0, y0, x1, y1``.
        scores: (N,).
        iou_threshold: A box goes if its IoU with a better kept one is greater than this.

    Returns:
        Indices of the kept boxes, int64, best score first.
    """
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order = scores.argsort(descending=True, stable=True)
    kept: list[torch.Tensor] = []
    while order.numel():
        best, rest = order[0], order[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[rest, :2])
        high = torch.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = (high - low).clamp(min=0).prod(1)
        order = rest[shared <= iou_threshold * (areas[best] + areas[rest] - shared)]
    return torch.stack(kept) if kept else torch.zeros(0, dtype=torch.int64, device=boxes.device)
