# SPDX-License-Identifier: Apache-2.0
"""The demo: camera, segmenter and viewer (or a scripted client) as ROS 2 nodes of their own.

Every node is a real process; this module starts them, watches them and ends them together. It
does not import ROS itself.
"""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

import refseg_ros
from refseg_lab.processes import Child, Children, StopRequest
from refseg_lab.simulation.splits import SPLITS
from refseg_ros.errors import RefsegError

VIEWER_ADDRESS = re.compile(r"viewer at (http://\S+)")
"""How the viewer node's log names the address that it listens on."""

_REQUIRED = {
    "rclpy": "ROS 2 for Python",
    "refseg_ros.msg": "the messages of refseg_ros",
    "mujoco": "the simulated camera",
}
_NEEDED_BY_THE_PAGE = {"nicegui": "the viewer's page"}
_PAGE_TIMEOUT = 60.0  # seconds until the viewer must have named its address


@dataclass(frozen=True)
class DemoOptions:
    """What can be chosen for a demo.

    Attributes:
        headless: A scripted client instead of the page.
        port: Wanted port of the page; the viewer takes the next free one if it is taken.
        seed: First scene; None for the first held-out one.
        preset: Preset of the segmenter, or a YAML file.
        device: Device of the segmenter.
        out: Folder for logs, pictures and results; made if missing.
        pick: Run a simulated arm that picks what commands mean, instead of camera and page.
        say: Command for the arm, in the first scene only; empty for scripted commands.
        scenes: Scenes in which it picks.
        film: Whether its first pick is filmed.
        faulty_depth: Whether its camera's depth has the faults of a depth camera.
    """

    headless: bool = False
    port: int = 8080
    seed: int | None = None
    preset: str = "tabletop"
    device: str = "auto"
    out: Path = Path("out/demo")
    pick: bool = False
    say: str = ""
    scenes: int = 4
    film: bool = True
    faulty_depth: bool = False


def run_demo(options: DemoOptions) -> int:
    """Runs the demo until it is done (headless) or is asked to stop.

    Args:
        options: What to run; main thread only, because signals are taken over.

    Returns:
        Exit code: 0 for a page that was stopped by Ctrl-C; the client's own code when headless or
        picking, or 128 + signal number when it was interrupted.

    Raises:
        RefsegError: Something that the demo needs is not installed, the folder cannot be
            written, or one of the processes died.
    """
    scripted = options.headless or options.pick
    check_requirements(_REQUIRED | ({} if scripted else _NEEDED_BY_THE_PAGE))
    logs = options.out / "logs"
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RefsegError(f"--out: cannot make {logs} ({error.strerror})") from None
    env = child_environment(logs)
    children = Children()
    with StopRequest().listening() as stop:
        try:
            _start_all(children, options, logs, env)
            if scripted:
                return _wait_for_client(children, stop)
            _show_page(children, stop, f"ROS_DOMAIN_ID={env['ROS_DOMAIN_ID']}, logs in {logs}")
            return 0
        finally:
            children.stop(stop.hurry)


def check_requirements(modules: Mapping[str, str]) -> None:
    """Makes sure that modules can be found, without importing the heavy ones.

    Args:
        modules: Module name to what it is for.

    Raises:
        RefsegError: Something is missing; the message says what to run.
    """
    missing = [f"{name} ({use})" for name, use in modules.items() if not _exists(name)]
    if missing:
        raise RefsegError(
            f"the demo needs {', '.join(missing)}: run `make setup` in a checkout, or build the "
            "package with colcon beside an apt install of ROS 2 and source its setup.bash; "
            "mujoco and nicegui come with `pip install 'refseg_ros[sim,viewer]'`"
        )


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent package is missing
        return False


def node_commands(options: DemoOptions) -> dict[str, list[str]]:
    """The command line of every process, by name; the last one is what the user looks at."""
    seed = SPLITS["slice"].first_seed if options.seed is None else options.seed
    segmenter = _node(
        "refseg_ros.ros.segmenter_node", preset=options.preset, device=options.device
    )
    if options.pick:
        out = str(options.out.absolute())
        client = _node(
            "refseg_lab.ros.picking_node",
            seed=seed,
            say=options.say,
            scenes=options.scenes,
            out=out,
            film=options.film,
            faulty_depth=options.faulty_depth,
        )
        return {"segmenter": segmenter, "client": client}
    commands = {"camera": _node("refseg_lab.ros.camera_node", scene=seed), "segmenter": segmenter}
    if options.headless:
        commands["client"] = _node(
            "refseg_lab.ros.demo_client", seed=seed, out=str(options.out.absolute())
        )
    else:
        commands["viewer"] = _node("refseg_ros.ros.viewer_node", port=options.port)
    return commands


def _node(module: str, **parameters: str | int) -> list[str]:
    command = [sys.executable, "-m", module, "--ros-args"]
    for name, value in parameters.items():
        # A quoted text stays a text, also if it reads like a number.
        shown = "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)
        shown = shown.lower() if isinstance(value, bool) else shown
        command += ["-p", f"{name}:={shown}"]
    return command


def child_environment(logs: Path) -> dict[str, str]:
    """Environment of the nodes: traffic stays on this machine, and on a free ROS domain.

    What the user has set stays as it is.

    Args:
        logs: Folder for ROS's own logs.
    """
    env = dict(os.environ)
    profile = str(Path(refseg_ros.__file__).parent / "ros" / "fastdds.xml")
    defaults = {
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "FASTRTPS_DEFAULT_PROFILES_FILE": profile,
        "FASTDDS_DEFAULT_PROFILES_FILE": profile,
        "PYTHONUNBUFFERED": "1",
        "ROS_LOG_DIR": str((logs / "ros").absolute()),
    }
    for name, value in defaults.items():
        env.setdefault(name, value)
    if not env.get("ROS_DOMAIN_ID"):
        env["ROS_DOMAIN_ID"] = str(free_domain())
    return env


def free_domain() -> int:
    """A ROS domain that nobody on this machine seems to use.

    Fast DDS opens UDP port 7400 + 250 × domain for discovery; one that can be taken is free.

    Raises:
        RefsegError: All of the domains 1 to 100 are in use.
    """
    for step in range(100):
        domain = 1 + (os.getpid() + step) % 100
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", 7400 + 250 * domain))
            except OSError:
                continue
        return domain
    raise RefsegError("ROS_DOMAIN_ID: the domains 1 to 100 are all in use; set one yourself")


def _start_all(
    children: Children, options: DemoOptions, logs: Path, env: Mapping[str, str]
) -> None:
    """Starts the nodes; all cores are for the segmenter, the others need one thread each."""
    cores = len(os.sched_getaffinity(0))
    for name, command in node_commands(options).items():
        threads = {"OMP_NUM_THREADS": str(cores if name == "segmenter" else 1)}
        log = None if name == "client" else logs / f"{name}.log"
        children.start(name, command, {**threads, **env}, log)


def _raise_if_ended(children: Children) -> None:
    child = children.ended()
    if child is None:
        return
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    lines = child.last_lines()
    if lines:
        console.print(f"[dim]the end of {escape(str(child.log))}:[/dim]")
        for line in lines:
            console.print(f"[dim]  {escape(line)}[/dim]")
    raise RefsegError(f"{child.describe_end()}; the others were stopped")


def _wait_for_client(children: Children, stop: StopRequest) -> int:
    """Waits for the scripted client, which is the last child; its exit code is the demo's."""
    client = children.running[-1]
    while not stop.asked.wait(0.1):
        code = client.process.poll()
        if code is not None and code >= 0:
            return code
        _raise_if_ended(children)
    return 128 + (stop.number or signal.SIGINT)


def _show_page(children: Children, stop: StopRequest, note: str) -> None:
    """Names the page's address as soon as it answers, then waits to be stopped."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    viewer = children.running[-1]
    deadline = time.monotonic() + _PAGE_TIMEOUT
    with console.status("starting camera, segmenter and viewer…"):
        while (address := address_of(viewer)) is None:
            _raise_if_ended(children)
            if time.monotonic() > deadline:
                raise RefsegError(f"the viewer did not start within {_PAGE_TIMEOUT:.0f} s")
            if stop.asked.wait(0.1):
                return
    console.print(f"\n  [bold green]refseg_ros[/]  open [bold]{address}[/]   (Ctrl-C stops)")
    console.print(f"  [dim]{escape(note)}[/dim]\n")
    while not stop.asked.wait(0.2):
        _raise_if_ended(children)
    console.print("stopping…")


def address_of(viewer: Child) -> str | None:
    """The address that the viewer's log names; None before it listens."""
    found = VIEWER_ADDRESS.search("\n".join(viewer.last_lines()))
    return found.group(1) if found else None
