# SPDX-License-Identifier: Apache-2.0
"""From image messages to observed scenes, measured in space; the worker's eyes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from std_msgs.msg import Header

from refseg_ros.ros.conversions import read_rgb
from refseg_ros.ros.depth import DepthStore
from refseg_ros.ros.detections import Detections, given_in
from refseg_ros.ros.frames import Connection, ImageFrames, ReferenceFrame
from refseg_ros.ros.health import Health
from refseg_ros.ros.keyframes import KeyframeObserver, Observation, SeenFrame
from refseg_ros.ros.parameters import Parameters
from refseg_ros.settling import captions_at_a_time

if TYPE_CHECKING:
    from refseg_ros.results import Proposals
    from refseg_ros.scene import Scene
    from refseg_ros.segmenter import Segmenter
    from refseg_ros.spatial.viewpoint import Viewpoint


class Looking:
    """Looks at frames, and knows again what it has seen; for one thread.

    Args:
        depth: Depth images of the frames.
        detections: What was found in them elsewhere.
        connection: How frames of the robot lie.
        frame: Whose left and right commands mean.
        values: Parameters of the node.
        health: Hears how long it took.

    Attributes:
        header: That of the image at work, for the answer if something goes wrong.
        size: Its height and width in pixels.
        seconds: Duration of the last observation.
    """

    def __init__(
        self,
        depth: DepthStore,
        detections: Detections,
        connection: Connection,
        frame: ReferenceFrame,
        values: Parameters,
        health: Health,
    ) -> None:
        self._depth, self._connection, self._frame = depth, connection, frame
        self._detections, self._values, self._health = detections, values, health
        self._forgotten = threading.Event()
        self.header, self.size = Header(), (0, 0)
        self.seconds = 0.0

    def forget(self) -> None:
        """Know nothing again of what was seen so far, or is being looked at; from any thread."""
        self._forgotten.set()

    def use(self, segmenter: Segmenter) -> None:
        """Look with these models from now on."""
        self._segmenter, self._observer = segmenter, KeyframeObserver(segmenter)

    def begin(self) -> None:
        """Forget the image at work."""
        self.header, self.size = Header(), (0, 0)

    def pixels(self, message: Any, header: Header) -> NDArray[np.uint8]:
        """Read the image to work at.

        Raises:
            ImageError: It is too large, or cannot be read.
        """
        self.header = header
        image = read_rgb(message, self._values["max_megapixels"])
        self.size = (image.shape[0], image.shape[1])
        return image

    def look(
        self, frame: Any, anew: bool = False, early: bool = False
    ) -> tuple[Observation, bool]:
        """The observation of a frame's view, and whether it was made earlier.

        Args:
            frame: The image message.
            anew: Whether an earlier one will not do.
            early: Whether captions are left to :meth:`complete` if it is made now.

        Raises:
            ImageError: See :meth:`pixels`.
        """
        image = self.pixels(frame, frame.header)
        seen = SeenFrame(frame.header, image, self._connection.at(frame.header))
        self._depth.pin(frame.header)
        if self._forgotten.is_set():
            self._forgotten.clear()
            anew = True
        continuous = self._values["mode"] == "continuous"
        period = self._values["keyframe_period"] if continuous else 0.0
        threshold = self._values["keyframe_change"]
        last = self._observer.last
        if self._detections.in_use and (last is None or last.frame.header != frame.header):
            anew = True  # what is found elsewhere may change while the picture stays
        known = None if anew else self._observer.recall(seen, threshold, period)
        if known is not None:
            return self._measured(known), True
        given = self._given(frame.header)
        observation = self._measured(self._observer.observe(seen, not early, given))
        if not early:
            self._took(observation.scene)
        return observation, False

    def complete(self) -> Observation:
        """The last observation with its captions."""
        observation = self._observer.complete()
        self._took(observation.scene)
        return observation

    @property
    def captions_left(self) -> bool:
        """Whether candidates of the last observation have no caption, which no answer needed."""
        last = self._observer.last
        return (
            last is not None and last.scene.awaiting is not None and bool(last.scene.awaiting.rows)
        )

    def caption_some(self) -> None:
        """Make some of those captions, as many as do not hold up what is asked meanwhile."""
        last = self._observer.last
        if last is not None and last.scene.awaiting is not None:
            last.scene.awaiting.make(last.scene.awaiting.rows[: captions_at_a_time(last.scene)])

    def scene_of(self, request: Any) -> Scene:
        """Observe the image of a call, which is not of the stream; that goes on undisturbed.

        Args:
            request: Has the image, and may say what was found in it (:func:`given_in`).

        Raises:
            ImageError: See :meth:`pixels`; or what was found cannot be read.
        """
        image = request.image
        pixels, given = self.pixels(image, image.header), given_in(request)
        if given is None:
            given = self._given(image.header)
        observe = self._segmenter.observe
        scene = observe(pixels) if given is None else observe(pixels, proposals=given)
        frames = self._connection.at(image.header)
        viewpoint, matrix = self._viewpoint(image.header, frames)
        return scene if viewpoint is None else scene.measured(None, matrix, viewpoint)

    def _given(self, header: Header) -> Proposals | None:
        """What was found elsewhere in the image at work."""
        return self._detections.of(header, self.size)

    def _took(self, scene: Scene) -> None:
        self.seconds = scene.seconds["total"]
        stages = {stage: value for stage, value in scene.seconds.items() if stage != "total"}
        self._health.took({"observe": self.seconds, **stages})

    def _measured(self, observation: Observation) -> Observation:
        """An observation measured in space, as far as that is not done yet.

        It is anew if another left and right are meant by now, or depth comes only now; else its
        scene stays the one that a conversation knows.
        """
        seen = observation.frame
        wanted, matrix = self._viewpoint(seen.header, seen.frames)
        known = observation.viewpoint
        agrees = wanted is None if known is None else known.agrees(wanted)
        if agrees and observation.has_depth:
            return observation
        # By now the depth image has come that was on its way when the colour image was taken.
        measured, _ = self._depth.read(self.size, seen.header, self._values["depth_slop"])
        if agrees and measured is None:
            return observation
        depth, matrix = measured[:2] if measured else (None, matrix)
        return self._observer.measure(depth, matrix, known if agrees else wanted)

    def _viewpoint(
        self, header: Header, frames: ImageFrames
    ) -> tuple[Viewpoint | None, NDArray[np.float64] | None]:
        """Whose left and right are meant in an image, and its camera matrix."""
        name = self._values["reference_frame"]
        return self._frame.viewpoint(name, header, frames, self.size, self._depth)
