# SPDX-License-Identifier: Apache-2.0
"""A file of one JSON object a line that a killed run goes on with: no line lost, none twice."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from refseg_ros.errors import DatasetError


class JsonLines:
    """Finished pieces of one run, the first line telling what the run is.

    Attributes:
        path: The file.
        found: What earlier runs have left, in its order.
    """

    def __init__(self, path: Path, run: Mapping[str, str], option: str = "--out") -> None:
        """Open or begin the file; what a killed run left of a last line is cut off.

        Args:
            path: The file; its folder is made if need be.
            run: What tells this run from others.
            option: The command's option that names the file, for messages.

        Raises:
            DatasetError: The file belongs to another run or is no such file, or cannot be written.
        """
        self.path, self._option = path, option
        self.found: list[dict[str, Any]] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and not path.is_file():  # a pipe would be waited for
                raise DatasetError(f"{path}: is not a regular file; move it elsewhere")
            self._stream: IO[bytes] = path.open("ab+")
            self._read(dict(run))
        except OSError as error:
            raise DatasetError(f"{path}: cannot be written ({error.strerror})") from None

    def _read(self, run: dict[str, str]) -> None:
        self._stream.seek(0)
        whole = 0
        for number, line in enumerate(self._stream):
            if not line.endswith(b"\n"):
                break  # a killed run's last words
            try:
                values = json.loads(line)
                if number == 0:
                    self._check_run(dict(values["run"]), run)
                else:
                    self.found.append(dict(values))
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise self.bad_line(number + 1, error) from None
            whole += len(line)
        self._stream.truncate(whole)
        if not whole:
            self.add({"run": run})

    def _check_run(self, found: Any, run: dict[str, str]) -> None:
        for key, value in run.items():
            if found.get(key) != value:
                raise DatasetError(
                    f"{self.path}: holds results of another run, with {key} "
                    f"{found.get(key)!r} and not {value!r}; name another file with "
                    f"{self._option}, or delete this one"
                )

    def bad_line(self, number: int, error: Exception) -> DatasetError:
        """What is said of a line that is no result.

        Args:
            number: The line's number, from 1.
            error: What was wrong with it.
        """
        return DatasetError(
            f"{self.path}: line {number} is not a result ({error!r}); name another file with "
            f"{self._option}, or delete this one"
        )

    def add(self, values: Mapping[str, Any]) -> None:
        """Keep a finished piece for good.

        Args:
            values: Plain values.

        Raises:
            DatasetError: The disk is full or gone; all lines before are kept.
        """
        try:
            self._stream.write(json.dumps(values, ensure_ascii=False).encode() + b"\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise DatasetError(
                f"{self.path}: cannot be written ({error.strerror}); what was finished is kept, "
                "run the same command again to continue"
            ) from None

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
