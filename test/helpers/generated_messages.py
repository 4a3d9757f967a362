# SPDX-License-Identifier: Apache-2.0
"""Python classes of published message definitions, where no ROS distribution brings them."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
from checkout import ROOT


@contextmanager
def vision_msgs(folder: Path) -> Iterator[ModuleType]:
    """The module ``vision_msgs.msg``: the installed one, or one made of ``test/data/vision_msgs``.

    The classes that are made check their fields as all do, but cannot be sent. They are gone
    afterwards: other tests must not take them for installed.

    Args:
        folder: Empty; what is made lies there.
    """
    try:
        yield importlib.import_module("vision_msgs.msg")
        return
    except ImportError:
        generate("vision_msgs", ROOT / "test" / "data" / "vision_msgs", folder)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield importlib.import_module("vision_msgs.msg")
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.split(".")[0] == "vision_msgs"]:
            del sys.modules[name]


def generate(package: str, source: Path, folder: Path) -> None:
    """Generate the classes of a package as a build does, without what sends them."""
    adapter = pytest.importorskip("rosidl_adapter.msg", reason="needs the generators of ROS 2")
    generator = pytest.importorskip("rosidl_generator_py")
    templates = Path(sys.prefix, "share", "rosidl_generator_py", "resource")
    if not templates.is_dir():
        pytest.skip("the generators' templates are not beside this Python")
    for path in sorted((source / "msg").glob("*.msg")):
        name = Path("msg", path.name)
        adapter.convert_msg_to_idl(source, package, name, folder / "idl" / "msg")
    idls = sorted((folder / "idl" / "msg").glob("*.idl"))
    arguments = {
        "package_name": package,
        "output_dir": str(folder / package),
        "template_dir": str(templates),
        "idl_tuples": [f"{folder / 'idl'}:msg/{path.name}" for path in idls],
        "ros_interface_dependencies": [],
        "target_dependencies": [],
    }
    (folder / "arguments.json").write_text(json.dumps(arguments))
    generator.generate_py(str(folder / "arguments.json"), [])
    (folder / package / "__init__.py").touch()
