# SPDX-License-Identifier: Apache-2.0
"""Starts MuJoCo and its OpenGL back end, with or without a display."""

from __future__ import annotations

import os
import sys
from typing import Any


class RendererUnavailable(RuntimeError):
    """MuJoCo or an OpenGL back end for it is missing; the message says what to install."""


def headless() -> bool:
    """Whether a display is missing and the user has not chosen a back end."""
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return sys.platform.startswith("linux") and not (display or os.environ.get("MUJOCO_GL"))


def import_mujoco() -> Any:
    """Imports MuJoCo, with the back end that needs no display where there is none.

    Raises:
        RendererUnavailable: if that fails.
    """
    if headless() and "mujoco" not in sys.modules:
        os.environ["MUJOCO_GL"] = "egl"
    try:
        import mujoco
    except ModuleNotFoundError as error:
        if error.name != "mujoco":
            raise _no_back_end(error) from error
        raise RendererUnavailable(
            "the simulation needs MuJoCo; install it with: pip install 'refseg_ros[sim]'"
        ) from error
    # MuJoCo opens its back end while it is imported, and that fails in as many ways.
    except Exception as error:
        raise _no_back_end(error) from error
    return mujoco


def _no_back_end(error: Exception) -> RendererUnavailable:
    return RendererUnavailable(
        f"no OpenGL back end could be started (MUJOCO_GL={os.environ.get('MUJOCO_GL', '')!r}: "
        f"{error}). On Debian and Ubuntu: sudo apt install libegl1 libegl-mesa0 "
        "libgl1-mesa-dri, then set MUJOCO_GL=egl"
    )


def create_context(mujoco: Any, model: Any, width: int, height: int) -> tuple[Any, Any]:
    """The OpenGL context and MuJoCo's drawing context in it.

    Raises:
        RendererUnavailable: if the back end does not start.
    """
    gl_context = None
    try:
        if headless():
            # MuJoCo was imported before this module could choose; its own choice needs a display.
            from mujoco.egl import GLContext
        else:
            GLContext = mujoco.GLContext
        gl_context = GLContext(width, height)
        gl_context.make_current()
        return gl_context, mujoco.MjrContext(model, int(mujoco.mjtFontScale.mjFONTSCALE_100))
    except Exception as error:  # whatever the back ends' GL bindings raise
        if gl_context is not None:
            gl_context.free()
        raise _no_back_end(error) from error
