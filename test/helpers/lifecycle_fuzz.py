# SPDX-License-Identifier: Apache-2.0
"""Changes the life cycle of a node with real models at random, every 50 ms, as a manager may.

Most changes come while the models of an earlier configuration are still being loaded. Whatever
came before, at the end the node must load, activate and answer right.

Run: ``PYTHONPATH=test/helpers python -m lifecycle_fuzz [--minutes 5] [--seed N] [--autostart]``
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.node_under_test import Maker, Stand, domain, patience
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from refseg_ros.srv import Segment

PERIOD = 0.05
"""Seconds from one request for a change to the next."""

FORWARD = {
    State.PRIMARY_STATE_UNCONFIGURED: Transition.TRANSITION_CONFIGURE,
    State.PRIMARY_STATE_INACTIVE: Transition.TRANSITION_ACTIVATE,
}
ANY = (
    Transition.TRANSITION_CONFIGURE,
    Transition.TRANSITION_ACTIVATE,
    Transition.TRANSITION_DEACTIVATE,
    Transition.TRANSITION_CLEANUP,
)


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        made: Changes that were made.
        refused: Changes that were not possible.
        calls: Calls of the service meanwhile.
        answered: Those that were answered about an image.
        slowest: Seconds of the call that waited longest.
    """

    made: int = 0
    refused: int = 0
    calls: int = 0
    answered: int = 0
    slowest: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.made} changes and {self.refused} refusals; of {self.calls} calls meanwhile "
            f"{self.answered} were answered and the rest refused, each within "
            f"{self.slowest:.1f} s"
        )


def fuzz(stand: Stand, seconds: float, seed: int) -> Outcome:
    """Ask for changes at random, with a call now and then, and end with a node that works."""
    chance, outcome, peer = random.Random(seed), Outcome(), stand.peer
    stand.figures()  # of this node: one that was killed before may still seem to serve
    client = peer.node.create_client(ChangeState, "refseg/change_state")
    peer.wait(client.service_is_ready, "the life cycle", 60)
    image = stand.good_image(stand.scene())
    waiting: list[tuple[float, Any]] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        request = ChangeState.Request(transition=Transition(id=chance.choice(ANY)))
        changed = peer.wait(client.call_async(request).result, "a change", patience(20)).success
        outcome.made += changed
        outcome.refused += not changed
        if chance.random() < 0.2 and len(waiting) < 6:
            waiting.append((time.monotonic(), peer.begin_call("the mug", image)))
            outcome.calls += 1
        waiting = [item for item in waiting if not _over(item, outcome)]
        stand.check_alive()
        peer.spin(max(0.0, began + PERIOD - time.monotonic()))
    peer.node.destroy_client(client)
    _activate(stand)
    for item in waiting:
        peer.wait(lambda: _over(item, outcome), "the end of a call", patience(30))  # noqa: B023
    return outcome


def _over(item: tuple[float, Any], outcome: Outcome) -> bool:
    """Whether a call has its answer, which is counted."""
    began, future = item
    if not future.done():
        return False
    response: Segment.Response = future.result()
    assert response.success or response.message, response
    outcome.answered += response.success
    outcome.slowest = max(outcome.slowest, time.monotonic() - began)
    return True


def _activate(stand: Stand) -> None:
    """Bring the node to where it answers."""
    for _ in range(3):
        state = stand.call(GetState, "get_state", GetState.Request(), 10).current_state.id
        if state in FORWARD:
            request = ChangeState.Request(transition=Transition(id=FORWARD[state]))
            assert stand.call(ChangeState, "change_state", request, 10).success
    stand.peer.wait_until_connected()
    stand.wait_for_models()
    stand.check_works()


def main() -> None:
    """The command ``python -m lifecycle_fuzz``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--autostart", action="store_true", help="a node that starts itself")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, domain() as env:
        given = f"autostart:={str(options.autostart).lower()}"
        with Maker(env, Path(folder)).stand(given, wait=False) as stand:
            print(fuzz(stand, 60 * options.minutes, options.seed))
            bad = [line for line in stand.node.last_lines(100_000) if "Traceback" in line]
            print(f"the node works; tracebacks in its log: {len(bad)}")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
