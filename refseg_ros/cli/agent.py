# SPDX-License-Identifier: Apache-2.0
"""``refseg mcp``: a language model's tools, over a segmenter that runs as a ROS 2 node."""

from __future__ import annotations

from typing import Annotated

import typer

from refseg_ros.cli.console import one_line_errors
from refseg_ros.errors import installed_by


def mcp(
    node: Annotated[str, typer.Option(help="Full name of the segmenter's node.")] = "/refseg",
    command: Annotated[
        str, typer.Option(help="Topic of its commands. Empty: command in its namespace.")
    ] = "",
    seconds: Annotated[
        float, typer.Option(min=1.0, max=600.0, help="How long an answer is waited for.")
    ] = 60.0,
) -> None:
    """Serve a language model the tools find, answer_question, pose and candidates (MCP, stdio)."""
    with one_line_errors():
        with installed_by("mcp", "'refseg_ros[mcp]', and source ROS 2 with the built package"):
            from refseg_ros.ros.agent_server import serve_agent
        serve_agent(node, command, seconds)
