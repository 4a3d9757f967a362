# SPDX-License-Identifier: Apache-2.0
"""REFER's pickles, read without running anything: plain containers, strings and numbers only.

A pickle is a program. Python's own advice, to override ``find_class``, leaves a program that may
ask for gigabytes with ten bytes, since the fast reader allocates what an index claims. Here the
slow reader of the standard library runs with all instructions taken away but those that make
lists, tuples, dictionaries, strings, bytes, numbers, booleans and None.
"""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from refseg_ros.errors import DatasetError

_FORBIDDEN = {
    "GLOBAL": pickle.GLOBAL,
    "STACK_GLOBAL": pickle.STACK_GLOBAL,
    "INST": pickle.INST,
    "OBJ": pickle.OBJ,
    "NEWOBJ": pickle.NEWOBJ,
    "NEWOBJ_EX": pickle.NEWOBJ_EX,
    "REDUCE": pickle.REDUCE,
    "BUILD": pickle.BUILD,
    "PERSID": pickle.PERSID,
    "BINPERSID": pickle.BINPERSID,
    "EXT1": pickle.EXT1,
    "EXT2": pickle.EXT2,
    "EXT4": pickle.EXT4,
    "NEXT_BUFFER": pickle.NEXT_BUFFER,
    "READONLY_BUFFER": pickle.READONLY_BUFFER,
    "BYTEARRAY8": pickle.BYTEARRAY8,  # allocates before it reads
}


class _Forbidden(pickle.UnpicklingError):
    """The file asks for more than containers."""


def _refuse(name: str) -> Callable[[Any], NoReturn]:
    def instruction(unpickler: Any) -> NoReturn:
        raise _Forbidden(name)

    return instruction


class _PlainUnpickler(pickle._Unpickler):
    """The standard library's own in Python, with fewer instructions."""

    dispatch = {  # noqa: RUF012 - as its parent has it
        **pickle._Unpickler.dispatch,
        **{code[0]: _refuse(name) for name, code in _FORBIDDEN.items()},
    }

    def find_class(self, module: str, name: str) -> NoReturn:
        raise _Forbidden(f"{module}.{name}")


def read_plain_pickle(path: Path) -> Any:
    """Read a pickle that holds plain containers.

    Args:
        path: Written by Python 2 or 3.

    Returns:
        Lists, tuples, dictionaries, strings, bytes, numbers, booleans and None.

    Raises:
        DatasetError: It cannot be read, is damaged, or holds anything else; nothing of it was run.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        return _PlainUnpickler(io.BytesIO(data), encoding="utf-8", errors="replace").load()
    except _Forbidden as error:
        raise DatasetError(
            f"{path}: refused, since it asks for {error}: it could run code. Nothing of it was "
            "run; get it again from the data set's own page"
        ) from None
    except Exception as error:  # a damaged program may fail in any way that Python knows
        raise DatasetError(
            f"{path}: damaged or cut short ({type(error).__name__}: {error}); get it again"
        ) from None


def pickle_to_json(pickled: Path, out: Path) -> int:
    """Write REFER's pickle as JSON; if both files exist, the JSON is read.

    Args:
        pickled: The pickle, such as ``refs(unc).p``.
        out: The file to write, such as ``refs(unc).json``; appears when it is complete.

    Returns:
        The number of references.

    Raises:
        DatasetError: As for :func:`read_plain_pickle`; also if the pickle is not a list or ``out``
            cannot be written.
    """
    values = read_plain_pickle(pickled)
    if not isinstance(values, list):
        raise DatasetError(f"{pickled}: holds a {type(values).__name__} and not a list")
    part = out.with_name(out.name + ".part")
    try:
        part.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
        part.replace(out)
    except (TypeError, ValueError, RecursionError) as error:
        part.unlink(missing_ok=True)
        raise DatasetError(f"{pickled}: holds what JSON cannot ({error})") from None
    except OSError as error:
        raise DatasetError(f"{out}: cannot be written ({error.strerror})") from None
    return len(values)
