# SPDX-License-Identifier: Apache-2.0
"""What is installed: versions, imports, wheel contents, executables and the colcon build."""

from __future__ import annotations

import ast
import importlib
import os
import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from checkout import ROOT

import refseg_ros

PACKAGE = ROOT / "refseg_ros"
LAB = ROOT / "refseg_lab"
PACKAGES = (PACKAGE, LAB)
EXECUTABLES = (
    "camera_node",
    "model_server",
    "picture_node",
    "refseg",
    "segmenter_node",
    "viewer_node",
)


def run(
    *command: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and keep what it printed."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture
def copy_of_source(tmp_path: Path) -> Path:
    """The files of a checkout without what was built in it."""
    target = tmp_path / "src" / "refseg_ros"
    unwanted = shutil.ignore_patterns(
        *(".*", "build", "install", "log", "out", "__pycache__", "*.egg-info")
    )
    shutil.copytree(ROOT, target, ignore=unwanted)
    return target


def python_files() -> list[Path]:
    folders = (
        *PACKAGES,
        *(ROOT / name for name in ("launch", "scripts", "test", "benchmarks", "examples")),
    )
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


# ------------------------------------------------------------------ names and versions


def test_the_version_is_the_same_everywhere() -> None:
    manifest = ElementTree.parse(ROOT / "package.xml").getroot()
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    declared = re.search(r'^version = "(.+)"$', project, flags=re.MULTILINE)
    changelog = (ROOT / "CHANGELOG.rst").read_text(encoding="utf-8")
    assert manifest.findtext("version") == refseg_ros.__version__
    assert declared is not None
    assert declared[1] == refseg_ros.__version__
    # What a release tool looks for: what is to come, or this release and its date.
    newest = re.search(r"^(.+)\n-+$", changelog, flags=re.MULTILINE)
    assert newest is not None
    version = re.escape(refseg_ros.__version__)
    assert re.fullmatch(rf"Forthcoming|{version} \(\d{{4}}-\d\d-\d\d\)", newest[1])


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for package in PACKAGES for path in package.rglob("*.py")}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_every_file_names_its_licence() -> None:
    line = "# SPDX-License-Identifier: Apache-2.0"
    heads = {path: path.read_text(encoding="utf-8").splitlines()[:2] for path in python_files()}
    assert len(heads) > 400
    assert [str(path.relative_to(ROOT)) for path, head in heads.items() if line not in head] == []


def imported(path: Path) -> set[str]:
    """Every module that a file imports, at any level."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_no_two_public_names_of_a_package_are_the_same(package: Path) -> None:
    homes: dict[str, list[str]] = {}
    for path in package.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(str(path.relative_to(package)))
    del homes["main"]  # what a program starts with
    assert len(homes) > 400
    assert {name: paths for name, paths in homes.items() if len(paths) > 1} == {}


def test_the_robot_owes_the_lab_nothing() -> None:
    owing = [
        str(path.relative_to(ROOT))
        for path in PACKAGE.rglob("*.py")
        if any(name.split(".")[0] == "refseg_lab" for name in imported(path))
    ]
    assert owing == []


def test_only_the_ros_folders_import_rclpy() -> None:
    importers = {
        path.relative_to(package).parts[0]
        for package in PACKAGES
        for path in package.rglob("*.py")
        if any(name.split(".")[0] == "rclpy" for name in imported(path))
    }
    assert importers == {"ros"}


# ------------------------------------------------------------------------------ import


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, refseg_ros; "
        "print([name for name in ('numpy', 'torch', 'transformers', 'cv2', 'rclpy', 'yaml') "
        "if name in sys.modules])"
    )
    answer = run(sys.executable, "-c", code)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip() == "[]"


def test_the_node_imports_little_and_nothing_of_the_lab() -> None:
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    code = (
        "import sys, refseg_ros.ros.segmenter_node\n"
        "for name, module in list(sys.modules.items()):\n"
        "    if name.startswith('refseg_') and getattr(module, '__file__', None):\n"
        "        print(module.__file__)"
    )
    answer = run(sys.executable, "-c", code)
    assert answer.returncode == 0, answer.stderr
    files = [Path(line) for line in answer.stdout.splitlines()]
    assert not any(file.is_relative_to(LAB) for file in files)
    ours = {file for file in files if file.is_relative_to(PACKAGE) and file.suffix == ".py"}
    assert len(ours) > 80
    assert sum(len(file.read_text(encoding="utf-8").splitlines()) for file in ours) <= 20_000


def test_public_names_come_from_their_modules_on_demand() -> None:
    from refseg_ros.results import Candidate, Proposals, Selection, Status

    assert (refseg_ros.Candidate, refseg_ros.Proposals) == (Candidate, Proposals)
    assert (refseg_ros.Selection, refseg_ros.Status) == (Selection, Status)
    assert refseg_ros.Segmenter.__module__ == "refseg_ros.segmenter"
    assert refseg_ros.Scene.__module__ == "refseg_ros.scene"
    assert set(refseg_ros.__all__) <= set(dir(refseg_ros))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="segmentor"):
        refseg_ros.segmentor  # noqa: B018


def test_messages_installed_elsewhere_are_found_beside_the_source(tmp_path: Path) -> None:
    """A folder without __init__.py later on the path adds its sub-packages to ours."""
    extra = tmp_path / "refseg_ros" / "elsewhere"
    extra.mkdir(parents=True)
    (extra / "__init__.py").write_text("VALUE = 42\n")
    code = "from refseg_ros import elsewhere, __version__; print(elsewhere.VALUE, __version__)"
    answer = run(
        *(sys.executable, "-c", code),
        cwd=tmp_path.parent,
        env={"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
    )
    assert answer.stdout.split() == ["42", refseg_ros.__version__], answer.stderr


def test_generated_messages_carry_our_constants() -> None:
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    from refseg_ros.results import Status

    message = importlib.import_module("refseg_ros.msg").Segmentation
    assert {name: getattr(message, name) for name in Status.__members__} == {
        name: status.value for name, status in Status.__members__.items()
    }


# ------------------------------------------------------------------------------ wheels


def test_container_paths_of_the_ros_wheels_are_rewritten_once(tmp_path: Path) -> None:
    fix = runpy.run_path(str(ROOT / "scripts" / "fix_ros_wheels.py"))["fix"]
    folder = tmp_path / "share" / "some_msgs" / "cmake"
    folder.mkdir(parents=True)
    wrong = folder / "some_msgsExport.cmake"
    wrong.write_text(
        'INCLUDES "/opt/python/cp312-cp312/include/python3.12;'
        '/opt/python/cp312-cp312/lib/python3.12/site-packages/numpy/_core/include"'
    )
    right = folder / "right.cmake"
    right.write_text('INCLUDES "${_IMPORT_PREFIX}/include"')
    before = right.stat().st_mtime_ns

    # NumPy 1 has its headers elsewhere than NumPy 2, for which the wheels were built.
    own = ("/usr/include/python3.12", "/env/site-packages", "/env/numpy/core/include")
    assert fix(tmp_path, *own) == 1
    assert wrong.read_text() == 'INCLUDES "/usr/include/python3.12;/env/numpy/core/include"'
    assert fix(tmp_path, *own) == 0
    assert right.stat().st_mtime_ns == before


def test_the_wheel_holds_modules_presets_and_weights(copy_of_source: Path) -> None:
    code = "from setuptools import build_meta as b; print(b.build_wheel('dist'))"
    answer = run(sys.executable, "-c", code, cwd=copy_of_source)
    assert answer.returncode == 0, answer.stderr
    wheel = copy_of_source / "dist" / answer.stdout.split()[-1]
    names = set(zipfile.ZipFile(wheel).namelist())

    wanted = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted - names == set()
    top = {name.split("/")[0] for name in names}
    assert top == {"refseg_ros", "refseg_lab", f"refseg_ros-{refseg_ros.__version__}.dist-info"}


# --------------------------------------------------------------------------- workspace


@pytest.mark.parametrize("name", EXECUTABLES)
def test_executables_run_the_main_of_a_module(name: str) -> None:
    path = ROOT / "scripts" / name
    text = path.read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/env python3\n")
    assert os.access(path, os.X_OK)
    assert f"    {name}\n" in (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")

    imported = re.search(r"^ *from (refseg_(?:ros|lab)\.\S+) import main$", text, re.MULTILINE)
    assert imported is not None
    if name != "refseg":  # a node's imports take a second, in which a signal may come
        assert text.index("    end_quietly()\n") < imported.start()
    module = ROOT.joinpath(*imported[1].split(".")).with_suffix(".py")
    tree = ast.parse(module.read_text(encoding="utf-8"))
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert "main" in defined


def test_the_fast_dds_profile_has_the_measured_sizes() -> None:
    profile = ElementTree.parse(PACKAGE / "ros" / "fastdds.xml").getroot()
    value = {element.tag.split("}")[1]: element.text for element in profile.iter()}
    assert value["segment_size"] == str(128 * 2**20)
    assert value["maxMessageSize"] == str(32 * 2**20)
    assert value["receiveBufferSize"] == value["sendBufferSize"] == str(4 * 2**20)


def test_rviz_shows_our_topics() -> None:
    config = yaml.safe_load((ROOT / "config" / "refseg.rviz").read_text(encoding="utf-8"))
    manager = config["Visualization Manager"]
    shown = {
        display["Name"]: display["Topic"]["Value"]
        for display in manager["Displays"]
        if "Topic" in display
    }
    assert shown == {
        "Camera": "/image",
        "Overlay": "/refseg/overlay",
        "Mask": "/refseg/mask",
        "Target": "/refseg/markers",
        "Target pose": "/refseg/target",
        "Target cloud": "/refseg/target_cloud",
    }
    assert manager["Global Options"]["Fixed Frame"] == "camera_optical_frame"


def colcon_arguments() -> list[str]:
    """What a build needs here; skips where there is nothing to build with."""
    if shutil.which("colcon", path=search_path()) is None:
        pytest.skip("colcon is not installed")
    if Path(sys.prefix, "share", "ament_cmake").is_dir():  # ROS 2 from pip
        return [
            "-DPython3_FIND_VIRTUALENV=ONLY",
            f"-DPython3_EXECUTABLE={sys.prefix}/bin/python",
        ]
    if not os.environ.get("AMENT_PREFIX_PATH"):
        pytest.skip("no ROS 2 environment")
    return []


def search_path() -> str:
    """Programs of this environment first."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def test_colcon_builds_a_workspace_that_runs(copy_of_source: Path) -> None:
    arguments = colcon_arguments()
    workspace = copy_of_source.parents[1]
    prefix = os.environ.get("AMENT_PREFIX_PATH", sys.prefix)
    env = {
        **{"PATH": search_path(), "VIRTUAL_ENV": sys.prefix},
        **{"AMENT_PREFIX_PATH": prefix, "CMAKE_PREFIX_PATH": prefix},
    }
    # Tests are not built: they would run this one again.
    options = ["--cmake-args", "-DBUILD_TESTING=OFF", *arguments]
    built = run("colcon", "build", *options, cwd=workspace, env=env)
    assert built.returncode == 0, built.stdout + built.stderr

    install = workspace / "install"
    share = install / "refseg_ros" / "share" / "refseg_ros"
    for name in ("launch/refseg.launch.py", "launch/demo.launch.py", "config/refseg.rviz"):
        assert (share / name).is_file()
    assert (share / "config" / "fastdds.xml").is_file()
    (commands,) = install.rglob("refseg_lab-*.dist-info/entry_points.txt")
    assert commands.is_file()
    assert (commands.parents[1] / "refseg_lab" / "cli" / "eval.py").is_file()
    assert (share / "config" / "refseg.yaml").is_file()

    script = (
        f". '{install}/setup.sh' && python3 -c 'import refseg_ros, refseg_ros.msg as m, "
        "refseg_ros.config as c; print(refseg_ros.__file__, m.__file__, *c.preset_names())' && "
        f"'{install}/refseg_ros/lib/refseg_ros/refseg' --help"
    )
    ran = run("sh", "-c", script, cwd=workspace, env={**env, "COLCON_CURRENT_PREFIX": ""})
    assert ran.returncode == 0, ran.stdout + ran.stderr
    ours, messages, *presets = ran.stdout.splitlines()[0].split()
    assert Path(ours).is_relative_to(install)
    assert Path(messages).is_relative_to(install)
    assert presets == sorted(path.stem for path in PACKAGE.glob("presets/*.yaml"))
    assert "segment" in ran.stdout
    # What `ros2 run` starts finds the packages of this environment, active or not.
    program = install / "refseg_ros" / "lib" / "refseg_ros" / "segmenter_node"
    assert program.read_text("utf-8").startswith(f"#!{sys.prefix}/bin/python")
    assert os.access(program, os.X_OK)
    assert "Measure a preset on a benchmark" in ran.stdout


def test_a_workspace_names_the_commands_that_the_wheel_names() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    wheel = project.split('[project.entry-points."refseg.commands"]\n')[1].split("\n\n")[0]
    workspace = (ROOT / "cmake" / "entry_points.txt").read_text(encoding="utf-8")
    assert workspace == "[refseg.commands]\n" + wheel.replace('"', "") + "\n"
    metadata = (ROOT / "cmake" / "lab_metadata.txt").read_text(encoding="utf-8")
    version = refseg_ros.__version__
    assert f"Version: {version}\n" in metadata
    assert f"refseg_lab-{version}.dist-info" in (ROOT / "CMakeLists.txt").read_text("utf-8")
