# SPDX-License-Identifier: Apache-2.0
"""Pickles of plain containers are read, and nothing else is; nothing of them is ever run."""

from __future__ import annotations

import datetime
import json
import os
import pickle
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from refseg_lab.evaluation.refer.pickles import read_plain_pickle
from refseg_ros.cli.main import app
from refseg_ros.errors import DatasetError

PLAIN: list[Any] = [
    {"ref_id": 1, "split": "val", "ann_id": 2**40, "sentences": [{"sent": "the café", "raw": ""}]},
    {"tokens": ("a", "b"), "box": [1.5, -2.0], "flags": [True, False, None], "bytes": b"x"},
]


class _Runs:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (self._folder,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_containers_of_any_protocol(tmp_path: Path, protocol: int) -> None:
    values = PLAIN if protocol > 2 else [{**item, "bytes": ""} for item in PLAIN]
    path = tmp_path / "refs.p"
    path.write_bytes(pickle.dumps(values, protocol=protocol))
    assert read_plain_pickle(path) == values


def test_what_python_2_wrote(tmp_path: Path) -> None:
    path = tmp_path / "refs.p"
    path.write_bytes(b"(lp0\n(dp1\nS'sent'\np2\nS'red \\xc3\\xa9'\np3\nsS'id'\nL12L\nsa.")
    assert read_plain_pickle(path) == [{"sent": "red é", "id": 12}]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_code_is_not_run(tmp_path: Path, protocol: int) -> None:
    victim, path = tmp_path / "made", tmp_path / "refs.p"
    path.write_bytes(pickle.dumps([*PLAIN[:1], _Runs(str(victim))], protocol=protocol))
    with pytest.raises(DatasetError, match="could run code"):
        read_plain_pickle(path)
    assert not victim.exists()
    pickle.loads(path.read_bytes())  # the test can fail: the usual reader does run it
    assert victim.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"ios\nmkdir\n.",  # INST
        b"(cos\nmkdir\nS'x'\no.",  # OBJ
        b"\x80\x02cos\nmkdir\n)\x81.",  # NEWOBJ
        b"P1\n.",
        b"\x82\x01.",  # EXT1
        b"\x80\x05\x97.",  # NEXT_BUFFER
        b"\x80\x02}K\x01b.",  # BUILD
        pickle.dumps(np.zeros(3)),
        pickle.dumps(datetime.date(2020, 1, 1)),
        pickle.dumps({1, 2}, protocol=2),
        pickle.dumps(bytearray(b"x"), protocol=5),
    ],
)
def test_anything_but_containers_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "refs.p"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="refused"):
        read_plain_pickle(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b".",
        b"(l",
        b"\x80\xff.",
        b"not a pickle",
        b"e.",
        b"\x80\x04\x8c\xff.",
        b"g99\n.",
        b"I" + b"9" * 100_000 + b"\n.",
        pickle.dumps(PLAIN)[:-3],
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b".",  # a terabyte of bytes
        b"\x80\x04\x95" + struct.pack("<Q", 1 << 40) + b".",  # a frame of a terabyte
    ],
)
def test_damage_is_said_and_costs_no_memory(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "refs.p"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(DatasetError, match="damaged or cut short"):
        read_plain_pickle(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_a_huge_memo_index_costs_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "refs.p"
    path.write_bytes(b"\x80\x02]r" + struct.pack("<I", 0xFFFFFFF0) + b".")
    assert read_plain_pickle(path) == []


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nonesuch\.p: cannot be read"):
        read_plain_pickle(tmp_path / "nonesuch.p")


def test_the_converter(tmp_path: Path) -> None:
    path = tmp_path / "refs(unc).p"
    path.write_bytes(pickle.dumps(PLAIN[:1]))
    answer = CliRunner().invoke(app, ["eval", "convert", str(path)])
    assert answer.exit_code == 0, answer.output
    assert json.loads((tmp_path / "refs(unc).json").read_text()) == PLAIN[:1]
    loop: list[Any] = []
    loop.append(loop)
    for hostile in (PLAIN, {"a": 1}, loop, [_Runs(str(tmp_path / "made"))]):
        path.write_bytes(pickle.dumps(hostile))
        out = tmp_path / "out.json"
        answer = CliRunner().invoke(app, ["eval", "convert", str(path), "-o", str(out)])
        assert answer.exit_code == 1, hostile
        assert not list(tmp_path.glob("out*"))
