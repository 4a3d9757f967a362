# SPDX-License-Identifier: Apache-2.0
"""A language model's questions to the node: bounded, and answered in plain values."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("refseg_ros.msg", reason="the messages are not built")

from ros_bench import Bench, show
from ros_peer import NAMESPACE

from refseg_ros.errors import ConfigError
from refseg_ros.ros.agent import RobotEyes

pytestmark = pytest.mark.usefixtures("ros")
IMAGE = np.zeros((20, 30, 3), np.uint8)


@pytest.fixture
def eyes(bench: Bench) -> Any:
    node = RobotEyes(f"{NAMESPACE}/refseg", seconds=20.0)
    bench.executor.add_node(node)
    yield node
    bench.executor.remove_node(node)
    node.destroy_node()


def aside(bench: Bench, work: Callable[[], Any]) -> Any:
    """What some work on another thread gives, while the nodes spin on this one."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(work())
        except Exception as error:
            outcome.append(error)

    threading.Thread(target=run, daemon=True).start()
    bench.peer.wait(lambda: outcome, "the tool", 60)
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def test_find_is_a_command_and_the_others_are_calls(bench: Bench, eyes: RobotEyes) -> None:
    show(bench.peer, bench.peer.image(IMAGE))
    found = aside(bench, lambda: eyes.find("the box"))
    assert (found["status"], found["target"]["id"]) == ("SELECTED", 2)
    assert found["target"]["box"] == [10, 5, 20, 15]
    assert [item.command for item in bench.peer.heard["result"]] == ["the box"]
    seen = aside(bench, lambda: eyes.candidates("the half"))
    assert [item["id"] for item in seen["candidates"]] == [1, 2]
    place = aside(bench, lambda: eyes.pose("the half"))["place"]
    assert (place["position"], place["problem"]) == (None, "there is no target, or no depth image")
    assert len(bench.peer.heard["result"]) == 1  # nothing of a call is published
    json.dumps([found, seen, place])


@pytest.mark.parametrize("sentence", ["", "  ", "x" * 2001])
def test_what_is_too_long_or_empty_is_not_sent(eyes: RobotEyes, sentence: str) -> None:
    for ask in (eyes.find, eyes.pose, eyes.candidates):
        with pytest.raises(ConfigError, match="characters; 1 to 2000 are read"):
            ask(sentence)


def test_without_a_node_the_silence_is_told(bench: Bench) -> None:
    node = RobotEyes("/nobody", seconds=0.1)
    try:
        for ask in (node.find, node.pose):
            with pytest.raises(ConfigError, match="no answer from /nobody; is the node running"):
                ask("the box")
    finally:
        node.destroy_node()


def test_a_client_of_the_protocol_uses_the_tools(bench: Bench, eyes: RobotEyes) -> None:
    mcp = pytest.importorskip("mcp", reason="the extra mcp is not installed")
    from refseg_ros.ros.agent_server import make_server

    show(bench.peer, bench.peer.image(IMAGE))

    async def talk() -> tuple[Any, ...]:
        async with mcp.Client(make_server(eyes)) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            found = await client.call_tool("find", {"sentence": "the box"})
            seen = await client.call_tool("candidates", {"sentence": "the half"})
            wrong = await client.call_tool("pose", {"sentence": " "})
            return names, found, seen, wrong

    names, found, seen, wrong = aside(bench, lambda: asyncio.run(talk()))
    assert names == ["find", "answer_question", "pose", "candidates"]
    assert found.structured_content["status"] == "SELECTED"
    assert seen.structured_content["number_seen"] == 2
    assert wrong.is_error
    assert "1 to 2000 are read" in wrong.content[0].text
