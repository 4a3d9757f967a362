# SPDX-License-Identifier: Apache-2.0
"""Image encoders as ONNX files beside their weights, and run by ONNX Runtime in place of torch.

Only what takes most of the time on a CPU is exported, and only float32. What stands in for torch
is held against it at load: a file of other weights, or of other features, is refused.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from refseg_ros.errors import WeightsError, installed_by

logger = logging.getLogger(__name__)

TOLERANCE: Final = 1e-3
"""Largest difference from torch on the picture at load, as a share of the greatest feature."""
PACKAGES: Final = "'refseg_ros[onnx]'"
_OPSET: Final = 17
_AXES: Final = ("batch", "channels", "height", "width")
_REMEDY: Final = "export it anew by `refseg export PRESET`, or delete it"


@dataclass(frozen=True)
class ImageTower:
    """An image encoder, and where its export lies.

    Attributes:
        name: Of the part in its network, which the file is called by.
        module: Takes (B, 3, H, W) first and answers a tensor, or features first.
        weights: The file or folder that it was loaded from.
        shape: Of a picture that it takes.
        free: Axes of that which may be longer: any batch, or sides in steps of those given.
    """

    name: str
    module: torch.nn.Module
    weights: Path
    shape: tuple[int, int, int, int]
    free: tuple[int, ...] = ()

    @property
    def path(self) -> Path:
        """Of the ONNX file."""
        if self.weights.is_dir():
            return self.weights / f"{self.name}.onnx"
        return self.weights.with_name(f"{self.weights.name}.{self.name}.onnx")

    @property
    def record(self) -> Path:
        """Of the JSON file that says of which weights the export is."""
        return self.path.with_name(f"{self.path.name}.json")

    def picture(self, times: int = 1) -> Tensor:
        """Noise, the same at each call; free axes are so many times as long."""
        longer = [
            size * (times if axis in self.free else 1) for axis, size in enumerate(self.shape)
        ]
        return torch.randn(longer, generator=torch.Generator().manual_seed(0))

    def checksum(self) -> str:
        """SHA-256 of the weights."""
        sums = hashlib.sha256()
        for name, values in sorted(self.module.state_dict().items()):
            sums.update(f"{name} {tuple(values.shape)}".encode())
            sums.update(values.detach().contiguous().cpu().numpy().tobytes())
        return sums.hexdigest()


class _FirstOutput(torch.nn.Module):
    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, pixels: Tensor) -> Tensor:
        found = self.module(pixels)
        first: Tensor = found if isinstance(found, Tensor) else found[0]
        return first


def write_onnx(tower: ImageTower) -> None:
    """Write :attr:`ImageTower.path` and its record.

    Raises:
        ConfigError: onnx or ONNX Runtime is not installed.
        WeightsError: The folder cannot be written to, or torch cannot export the network.
    """
    with installed_by("export", PACKAGES):
        import onnx  # noqa: F401, torch needs it
        import onnxruntime  # noqa: F401, who exports wants to run it
    part = tower.path.with_name(f"{tower.path.name}.part")
    names = {axis: _AXES[axis] for axis in tower.free}
    fused = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(False)  # ONNX has no such operation
        tower.record.unlink(missing_ok=True)
        with torch.no_grad():
            torch.onnx.export(
                _FirstOutput(tower.module).eval(),  # else it would be left in training
                (tower.picture(),),
                part,
                input_names=["pixels"],
                output_names=["features"],
                dynamic_axes={"pixels": names, "features": names} if names else None,
                opset_version=_OPSET,
                dynamo=False,
            )
        os.replace(part, tower.path)
        told = {"weights": tower.checksum(), "torch": torch.__version__}
        tower.record.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise WeightsError(f"export: {tower.path} cannot be written: {error}") from error
    except (torch.onnx.errors.OnnxExporterError, RuntimeError, TypeError, ValueError) as error:
        detail = " ".join(str(error).split())[:300]
        raise WeightsError(f"export: torch cannot export {tower.name}: {detail}") from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        part.unlink(missing_ok=True)


def run_exported(tower: ImageTower) -> bool:
    """Let ONNX Runtime answer in place of a network, if it is exported.

    Args:
        tower: Its module is changed in place.

    Returns:
        Whether it does. Not without a file, nor without ONNX Runtime, which is said aloud, nor
        where the weights are no float32 on a CPU.

    Raises:
        WeightsError: The export is damaged, of other weights, or answers otherwise than torch.
    """
    values = next(tower.module.parameters())
    if not tower.path.is_file() or values.device.type != "cpu":
        return False
    if values.dtype != torch.float32:
        logger.info("%s is not used: the weights are %s", tower.path, values.dtype)
        return False
    if find_spec("onnxruntime") is None:
        logger.warning("%s is not used: pip install %s", tower.path, PACKAGES)
        return False
    run, difference, whole = held_against_torch(tower)

    def forward(*given: Any, **named: Any) -> Any:
        features = run(given[0] if given else named["pixel_values"])
        return features if whole else (features,)

    tower.module.forward = forward
    logger.info("%s stands in for torch; it differs by %.1e", tower.path, difference)
    return True


def held_against_torch(tower: ImageTower) -> tuple[Any, float, bool]:
    """An export held against torch on a picture.

    Returns:
        What makes features of pixels, how much they differ, as a share of the greatest, and
        whether torch answers them alone rather than first of several.

    Raises:
        WeightsError: See :func:`run_exported`.
    """
    try:
        told = json.loads(tower.record.read_text(encoding="utf-8"))
        known = told["weights"] == tower.checksum()
    except (OSError, ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise WeightsError(f"{tower.path} is not of these weights ({tower.weights}); {_REMEDY}")
    try:
        session = _session(tower.path)
        pixels = tower.picture(2)
        expected = _answer(tower.module, pixels)
        whole = isinstance(expected, Tensor)
        first = expected if whole else expected[0]
        found = torch.from_numpy(session.run(None, {"pixels": pixels.numpy()})[0])
    except Exception as error:  # ONNX Runtime has classes of its own
        detail = " ".join(str(error).split())[:300]
        raise WeightsError(f"{tower.path} cannot be run: {detail}; {_REMEDY}") from error
    same = found.shape == first.shape and bool(torch.isfinite(found).all())
    difference = float((found - first).abs().max() / first.abs().max()) if same else np.inf
    if difference > TOLERANCE:
        raise WeightsError(
            f"{tower.path} answers otherwise than torch, by {difference:.1e} of the greatest "
            f"feature; {_REMEDY}"
        )

    def run(pixels: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {"pixels": pixels.contiguous().numpy()})[0])

    return run, difference, whole


def gained(tower: ImageTower, runs: int = 3) -> tuple[float, float, float]:
    """Milliseconds of torch and of the export for a picture, the best of some, and the difference.

    Raises:
        WeightsError: See :func:`run_exported`.
    """
    run, difference, _ = held_against_torch(tower)
    pixels, best = tower.picture(2), [np.inf, np.inf]
    for _ in range(runs):
        for number, work in enumerate(
            (lambda: _answer(tower.module, pixels), lambda: run(pixels))
        ):
            began = time.perf_counter()
            work()
            best[number] = min(best[number], 1e3 * (time.perf_counter() - began))
    return best[0], best[1], difference


def _answer(module: torch.nn.Module, pixels: Tensor) -> Any:
    with torch.inference_mode():
        return module(pixels)


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # Threads that spin while they wait would take the cores from torch's.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
