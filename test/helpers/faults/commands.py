# SPDX-License-Identifier: Apache-2.0
"""Faults of what is said to the node: commands, parameters, calls, transitions."""

from __future__ import annotations

import math
import time
from typing import Any

from faults.listing import fault
from faults.node_under_test import HANG, Maker, Stand, patience
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.action import ActionClient
from refseg_ros.action import SegmentExpression
from ros_peer import NAMESPACE
from std_msgs.msg import String

from refseg_ros.results import Status
from refseg_ros.ros import qos

HOSTILE = (
    "\x00\x01\x02\x1b[2J\x7f",
    "\u202eguм der eht\u202c",
    "%s%s%n {0} {self.__class__} ${HOME} $(reboot) `id`",
    "'; DROP TABLE masks; --",
    "<script>alert(1)</script>",
    "../../../../etc/passwd",
    "\U0001f34e" * 400,
    "not " * 500,
    "(" * 2000,
    "and " * 500,
    "the " * 400 + "zzz",
)


@fault("1,000 commands within a second", "parameters answer at once, the last command is answered")
def flood(stand: Stand) -> str:
    scene = stand.scene()
    stand.show(stand.good_image(scene))
    results = stand.peer.heard["result"]
    results.clear()
    before = time.monotonic()
    for number in range(999):
        stand.peer.say(f"thing {number}")
        if number % 100 == 0:
            stand.peer.spin(0.05)
    sent = time.monotonic() - before
    parameter = stand.time_parameter()
    result = stand.ask(scene.referrals[0].expression, 2 * HANG)
    assert result.status == Status.SELECTED, result.reason
    return (
        f"{len({item.command for item in results})} results were heard, a parameter call took "
        f"{1e3 * parameter:.0f} ms, the last command had its mask; sent within {sent:.1f} s"
    )


@fault("a command of 1 MB", "`ERROR` that says how much is read")
def megabyte(stand: Stand) -> str:
    scene = stand.scene()
    stand.show(stand.good_image(scene))
    text = "the red mug left of the book and " * 31_776
    result = stand.ask(text)
    assert result.status == Status.ERROR
    assert "at most" in result.reason
    assert len(stand.figures()["command"]) < 400
    return f"`ERROR`: {result.reason}"


@fault(
    "hostile commands: control characters, right-to-left, format strings, shell, markup, emoji, "
    "2,000 brackets",
    "an answer to each within 2 s, never `SELECTED`",
)
def hostile(stand: Stand) -> str:
    stand.show(stand.good_image(stand.scene()))
    slowest = 0.0
    for text in HOSTILE:
        before = time.monotonic()
        # What ends a C string ends it on the way, too.
        result = stand.ask(text.split("\x00")[0] or " ")
        slowest = max(slowest, time.monotonic() - before)
        assert result.status != Status.SELECTED, (text, result.reason)
        assert result.reason
    return f"{len(HOSTILE)} answers, the slowest after {slowest:.1f} s, none `SELECTED`"


@fault("zero-width and full-width characters within words", "the same answer as without them")
def invisible(stand: Stand) -> str:
    scene = stand.scene()
    stand.show(stand.good_image(scene))
    plain = scene.referrals[0].expression
    wide = "".join(chr(ord(char) + 0xFEE0) if char.isalpha() else char for char in plain)
    expected = stand.ask(plain).target_id
    for text in ("\u200b".join(plain), f"\u202a{plain}\u202c", wide):
        result = stand.ask(text)
        assert (result.status, result.target_id) == (Status.SELECTED, expected), text
    return "the same target three times"


@fault(
    "words that the models never learnt, before a thing that is there; a kind and a language that "
    "they do not know",
    "the thing, never `SELECTED`, and the word named; `NOT_FOUND` that says why",
)
def unknown_words(stand: Stand) -> str:
    scene = stand.scene()
    stand.show(stand.good_image(scene))
    kind = next(item.form.category for item in scene.referrals if item.form.category)
    reasons = []
    for word in ("golden", "wooden", "soup", "blorft"):
        result = stand.ask(f"the {word} {kind}")
        assert result.status == Status.AMBIGUOUS, result.reason
        assert f"'{word}' of" in result.reason, result.reason
    for text, why in (
        ("the furniture", "furniture"),
        ("something to write with", "write with"),
        ("prends la tasse rouge", "French"),
        ("the background", "not something"),
    ):
        result = stand.ask(text)
        assert result.status == Status.NOT_FOUND, result.reason
        assert why in result.reason, result.reason
        reasons.append(result.reason)
    return f"`AMBIGUOUS` with the word four times; `NOT_FOUND`: {'; '.join(reasons)}"


@fault("a command that is not UTF-8, and bytes that are no message", "the node goes on")
def broken_text(stand: Stand) -> str:
    text = b"the \xff\xfe\xc3 mug\x00"
    body = b"\x00\x01\x00\x00" + len(text).to_bytes(4, "little") + text
    for data in (body, body[:8], body[:10], b"\x00\x01\x00\x00\xff\xff\xff\xff"):
        stand.peer._commands.publish(data)
    stand.peer.spin(0.5)
    stand.check_alive()
    return "one was read with replaced characters or dropped, the others dropped"


@fault("parameters out of range, NaN, of the wrong type, read-only", "refused in words", slow=True)
def wrong_parameters(stand: Stand) -> str:
    for name, value, words in (
        ("mode", "sometimes", "on_command, continuous"),
        ("keyframe_change", 300.0, "255"),
        ("keyframe_change", math.nan, "255"),
        ("keyframe_change", "six", "ype"),
        ("device", "tpu", "read-only"),
    ):
        assert words in stand.set(name, value), (name, value, stand.set(name, value))
    return f"refused: {stand.set('mode', 'sometimes')}"


@fault("transitions of the life cycle that are not possible", "refused; the state stays")
def wrong_transitions(stand: Stand) -> str:
    for number in (Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_CLEANUP, 77):
        request = ChangeState.Request(transition=Transition(id=number))
        assert not stand.call(ChangeState, "change_state", request).success
    return "`success: false` three times"


@fault("20 deactivations and activations with a command pending", "no hang, and answers again")
def on_and_off(stand: Stand) -> str:
    before = time.monotonic()
    for _ in range(20):
        stand.peer.say("the mug")
        for number in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE):
            request = ChangeState.Request(transition=Transition(id=number))
            assert stand.call(ChangeState, "change_state", request).success
    passed = time.monotonic() - before
    stand.peer.wait_until_connected()
    return f"40 transitions took {passed:.1f} s"


@fault("50 goals of the action that are cancelled at once", "all end, answers go on")
def cancelled_goals(stand: Stand) -> str:
    client = ActionClient(stand.peer.node, SegmentExpression, "refseg/segment_expression")
    stand.peer.wait(client.server_is_ready, "the action server")
    ends: dict[int, int] = {}
    image = stand.good_image(stand.scene())
    for _ in range(50):
        sent = client.send_goal_async(SegmentExpression.Goal(image=image, expression="the mug"))
        handle: Any = stand.peer.wait(sent.result, "the goal", patience())
        if handle.accepted:
            handle.cancel_goal_async()
            future = handle.get_result_async()
            status = stand.peer.wait(future.result, "the result", patience()).status
            ends[status] = ends.get(status, 0) + 1
    client.destroy()
    return f"{sum(ends.values())} goals ended within 2 s each"


@fault(
    "60 goals of the action at once, from one client and from eight",
    "each is answered, or refused with the reason",
    slow=True,
)
def many_goals(stand: Stand) -> str:
    image = stand.show(stand.good_image(stand.scene()))
    goal = SegmentExpression.Goal(expression="the mug")
    said = []
    # As deep as the node's: what a client cannot hold it loses by itself.
    deep = {f"{part}_service_qos_profile": qos.SERVICE for part in ("goal", "result", "cancel")}
    for count in (1, 8):
        node = stand.peer.node
        clients = [
            ActionClient(node, SegmentExpression, "refseg/segment_expression", **deep)
            for _ in range(count)
        ]
        for client in clients:
            stand.peer.wait(client.server_is_ready, "the action server")
        stand.peer.send(image)  # or it is too old one day
        sent = [clients[number % count].send_goal_async(goal) for number in range(60)]
        handles: list[Any] = [
            stand.peer.wait(item.result, "a goal", patience(10)) for item in sent
        ]
        futures = [handle.get_result_async() for handle in handles if handle.accepted]
        results = [stand.peer.wait(item.result, "a result", patience(30)) for item in futures]
        answered = [item.result for item in results if item.result.success]
        told = [item.result.message for item in results if not item.result.success]
        assert answered
        assert all("too many calls" in message for message in told), told
        if len(results) < 60:
            stand.wait_for_problem("a goal is rejected: too many calls")
        said.append(
            f"{len(answered)} answered, {len(told)} aborted and {60 - len(results)} rejected"
        )
        for client in clients:
            client.destroy()
    return f"one client: {said[0]}; eight: {said[1]}"


@fault(
    "changes of the life cycle at random every 50 ms, most while the models are being loaded",
    "each call is told within 10 s; at the end it loads, activates and answers",
    own=True,
)
def lifecycle_at_random(maker: Maker) -> str:
    from lifecycle_fuzz import fuzz

    with maker.stand("autostart:=false", wait=False) as stand:
        outcome = fuzz(stand, seconds=10.0, seed=1)
        assert not any("Traceback" in line for line in stand.node.last_lines(10_000))
    assert outcome.slowest < patience(10), outcome
    return str(outcome)


@fault(
    "a value of `qos_overrides` that does not exist",
    "ends with 1 and one line that names it; with `autostart: false` activating is refused, and "
    "nothing answers",
    own=True,
    slow=True,
)
def wrong_override(maker: Maker) -> str:
    name = f"qos_overrides.{NAMESPACE}/camera_info.subscription.reliability"
    with maker.stand(f"{name}:=sometimes", wait=False) as stand:
        assert stand.node.process.wait(60) == 1
        lines = [line for line in stand.node.last_lines(200) if "FATAL" in line]
        assert len(lines) == 1, lines
        assert name.rsplit(".", 1)[0] in lines[0], lines[0]
        assert not any("Traceback" in line for line in stand.node.last_lines(200))
    with maker.stand(f"{name}:=sometimes", "autostart:=false", wait=False) as stand:
        stand.figures()  # of this node: one that was killed before may still seem to serve
        for number, good in (
            (Transition.TRANSITION_CONFIGURE, True),
            (Transition.TRANSITION_ACTIVATE, False),
        ):
            request = ChangeState.Request(transition=Transition(id=number))
            assert stand.call(ChangeState, "change_state", request, 20).success is good
        stand.wait_for_problem("cannot be activated")
        answer = stand.peer.call("the mug", stand.good_image(stand.scene()))
        assert "not active" in answer.message
    return f"exit code 1: {lines[0].split(']: ', 1)[1]}"


@fault(
    "a best-effort publisher of commands, a latched subscriber of the mask",
    "both are told",
    slow=True,
)
def wrong_quality(stand: Stand) -> str:
    from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import Image

    node = stand.peer.node
    weak = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = node.create_publisher(String, "command", weak)
    subscription = node.create_subscription(Image, "refseg/mask", lambda _: None, latched)
    said = stand.wait_for_problem("nothing comes from a publisher of")
    assert "a subscriber of" in stand.wait_for_problem("asks for more than is offered")
    node.destroy_publisher(publisher)
    node.destroy_subscription(subscription)
    return f"/diagnostics: {said[:200]}"
