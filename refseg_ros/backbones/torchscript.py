# SPDX-License-Identifier: Apache-2.0
"""Tensors of a TorchScript archive, such as OpenAI's ``ViT-B-32.pt``, without running its code.

``torch.jit.load`` would compile the program that such an archive holds. Its tensors are listed in
a pickle, of which only what rebuilds them is accepted; each class of the program becomes a plain
record of its attributes.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch

from refseg_ros.errors import WeightsError

_STORAGES: Final = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class _Record:
    """An object of the program: its attributes and nothing else."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


def _tensor(storage: torch.Tensor, offset: int, size: Any, stride: Any, *_: Any) -> torch.Tensor:
    return storage.as_strided(tuple(size), tuple(stride), offset)


def _same(value: Any, *_: Any) -> Any:
    return value


class _Reader(pickle.Unpickler):
    """Reads the pickle of an archive; names that only a program would need are refused."""

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(archive.open(f"{root}/data.pkl"))
        self._archive, self._root = archive, root

    def find_class(self, module: str, name: str) -> Any:
        if module == "__torch__" or module.startswith("__torch__."):
            return type(name, (_Record,), {})
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _same
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        if module == "torch.jit._pickle":  # lists of one type
            return _same
        raise pickle.UnpicklingError(f"{module}.{name} rebuilds no tensor")

    def persistent_load(self, pid: Any) -> torch.Tensor:
        _, dtype, key, _, count = pid
        data = self._archive.read(f"{self._root}/data/{int(key)}")
        if not count:
            return torch.empty(0, dtype=dtype)
        return torch.frombuffer(bytearray(data), dtype=dtype, count=count)


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def read_torchscript(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of an archive by their dotted names, as ``state_dict`` has them.

    Args:
        path: A file of which :func:`is_torchscript` is true.

    Raises:
        WeightsError: It is damaged, or its pickle holds other things.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = (name for name in archive.namelist() if name.endswith("/constants.pkl"))
            root = next(names).rpartition("/")[0]
            return dict(_named(_Reader(archive, root).load(), ""))
    except Exception as error:  # a pickle raises whatever its bytes lead to
        detail = " ".join(str(error).split())[:300] or type(error).__name__
        raise WeightsError(f"{path}: its TorchScript archive cannot be read: {detail}") from error


def _named(value: Any, prefix: str) -> Iterator[tuple[str, torch.Tensor]]:
    for name, item in vars(value).items():
        if isinstance(item, torch.Tensor):
            yield prefix + name, item
        elif isinstance(item, _Record):
            yield from _named(item, f"{prefix}{name}.")
