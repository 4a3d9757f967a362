#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make the CMake files of the pip wheels of ROS 2 usable on this machine.

The exported CMake targets of the message wheels name folders of the container in which they were
built (``/opt/python/cp311-cp311/include/python3.11``), and CMake stops at an include folder that
does not exist. This rewrites those prefixes, inside the running environment only, to the
interpreter's own folders. Running it twice changes nothing the second time.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path

import numpy

_BUILD_INCLUDE = re.compile(r"/opt/python/cp\d+-cp\d+/include/python3\.\d+")
_BUILD_NUMPY = re.compile(
    r"/opt/python/cp\d+-cp\d+/lib/python3\.\d+/site-packages/numpy/_?core/include"
)
_BUILD_PACKAGES = re.compile(r"/opt/python/cp\d+-cp\d+/lib/python3\.\d+/site-packages")


def fix(prefix: Path, include: str, packages: str, numpy_include: str) -> int:
    """Rewrite the build container's prefixes below ``prefix/share/*/cmake``.

    Args:
        prefix: Root of the environment.
        include: Folder that holds ``Python.h``.
        packages: The environment's ``site-packages``.
        numpy_include: Folder of NumPy's headers, which NumPy 2 moved.

    Returns:
        The number of files changed.
    """
    changed = 0
    for path in sorted(prefix.glob("share/*/cmake/*.cmake")):
        old = path.read_text(encoding="utf-8")
        new = _BUILD_INCLUDE.sub(lambda _: include, old)
        new = _BUILD_NUMPY.sub(lambda _: numpy_include, new)
        new = _BUILD_PACKAGES.sub(lambda _: packages, new)
        if new != old:
            path.write_text(new, encoding="utf-8")
            changed += 1
    return changed


def main() -> int:
    """Fix the environment that runs this script; exit status 1 where headers are missing."""
    paths = sysconfig.get_paths()
    if not Path(paths["include"], "Python.h").is_file():
        print(
            f"fix_ros_wheels: no Python.h in {paths['include']}: install the Python headers "
            "(Debian and Ubuntu: python3-dev)",
            file=sys.stderr,
        )
        return 1
    changed = fix(Path(sys.prefix), paths["include"], paths["purelib"], numpy.get_include())
    print(f"fix_ros_wheels: {changed} CMake files changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
