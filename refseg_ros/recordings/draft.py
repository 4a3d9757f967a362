# SPDX-License-Identifier: Apache-2.0
"""The folder in which a recording is written until it is whole."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from refseg_ros.errors import DatasetError

_MARK: Final = "written-by-refseg-bag"
_ENDINGS: Final = (".yaml", ".mcap", ".db3", ".db3-journal", ".db3-wal", ".db3-shm")


class RecordingDraft:
    """``OUT.part/``: only what a run of ours left in it is ever deleted.

    Attributes:
        folder: Itself.
        recording: The recording in it, a folder.
    """

    def __init__(self, out: Path) -> None:
        """Name the folder of an output."""
        self.folder = out.with_name(out.name + ".part")
        self.recording = self.folder / out.name

    def check(self) -> None:
        """Make sure that there is no such folder, an empty one, or one that a killed run left.

        Raises:
            DatasetError: It holds something else, which is named.
        """
        if not (self.folder.exists() or self.folder.is_symlink()):
            return
        if self.folder.is_symlink() or not self.folder.is_dir():
            raise DatasetError(f"{self.folder}: is in the way; move it elsewhere")
        held = sorted(self.folder.iterdir())
        mark = self.folder / _MARK
        own = {mark, self.recording} if mark in held else set()
        foreign = [path for path in held if path not in own or path.is_symlink()]
        if not foreign and self.recording.exists():
            foreign = [
                path
                for path in sorted(self.recording.iterdir())
                if path.suffix not in _ENDINGS or not path.is_file() or path.is_symlink()
            ]
        if foreign:
            raise DatasetError(
                f"{self.folder}: holds {foreign[0].name}, which refseg did not write; move it "
                "elsewhere, or choose another name"
            )

    def begin(self) -> None:
        """Make the folder, empty but for the mark that tells whose it is.

        Raises:
            DatasetError: See :meth:`check`.
            OSError: It cannot be written.
        """
        self.clear()
        self.folder.mkdir()
        (self.folder / _MARK).touch()

    def clear(self) -> None:
        """Delete the folder, if it is ours.

        Raises:
            DatasetError: See :meth:`check`.
            OSError: It cannot be deleted.
        """
        self.check()
        if self.folder.exists():
            shutil.rmtree(self.folder)
