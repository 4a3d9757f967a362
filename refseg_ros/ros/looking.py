# SPDX-License-Identifier: Apache-2.0
"""From image messages to observed scenes, measured in space; the worker's eyes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from std_msgs.msg import Header

from refseg_ros.ros.conversions import read_rgb
from refseg_ros.ros.depth import DepthStore
from refseg_ros.ros.frames import ReferenceFrame
from refseg_ros.ros.health import Health
from refseg_ros.ros.keyframes import KeyframeObserver, Observation
from refseg_ros.ros.parameters import Parameters

if TYPE_CHECKING:
    from refseg_ros.scene import Scene
    from refseg_ros.segmenter import Segmenter
    from refseg_ros.spatial.viewpoint import Viewpoint


class Looking:
    """Looks at frames, and knows again what it has seen; for one thread.

    Args:
        depth: Depth images of the frames.
        frame: Whose left and right commands mean.
        values: Parameters of the node.
        health: Hears how long it took.

    Attributes:
        header: That of the image at work, for the answer if something goes wrong.
        size: Its height and width in pixels.
        seconds: Duration of the last observation.
    """

    def __init__(
        self, depth: DepthStore, frame: ReferenceFrame, values: Parameters, health: Health
    ) -> None:
        self._depth, self._frame, self._values, self._health = depth, frame, values, health
        self.header, self.size = Header(), (0, 0)
        self.seconds = 0.0

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
            ImageError: As of :meth:`pixels`.
        """
        image = self.pixels(frame, frame.header)
        continuous = self._values["mode"] == "continuous"
        period = self._values["keyframe_period"] if continuous else 0.0
        threshold = self._values["keyframe_change"]
        known = None if anew else self._observer.recall(image, threshold, period)
        if known is not None:
            return self._measured(known, frame.header, fresh=False), True
        self._depth.pin(frame.header)
        fresh = self._observer.observe(image, frame.header, captions=not early)
        observation = self._measured(fresh, frame.header, fresh=True)
        if not early:
            self._took(observation.scene)
        return observation, False

    def complete(self) -> Observation:
        """The last observation with its captions."""
        observation = self._observer.complete()
        self._took(observation.scene)
        return observation

    def scene_of(self, image: Any) -> Scene:
        """Observe an image that is not of the stream, which goes on undisturbed.

        Raises:
            ImageError: As of :meth:`pixels`.
        """
        scene = self._segmenter.observe(self.pixels(image, image.header))
        viewpoint, matrix = self._viewpoint(image.header)
        return scene if viewpoint is None else scene.measured(None, matrix, viewpoint)

    def _took(self, scene: Scene) -> None:
        self.seconds = scene.seconds["total"]
        stages = {stage: value for stage, value in scene.seconds.items() if stage != "total"}
        self._health.took({"observe": self.seconds, **stages})

    def _measured(self, observation: Observation, header: Header, fresh: bool) -> Observation:
        """An observation measured in space, anew if another left and right are meant by now."""
        wanted, matrix = self._viewpoint(header)
        known = observation.viewpoint
        agrees = wanted is None if known is None else known.agrees(wanted)
        if agrees and not fresh:
            return observation
        # By now the depth image has come that was on its way when the colour image was taken.
        slop = self._values["depth_slop"]
        measured, _ = self._depth.read(self.size, observation.header, slop)
        depth, matrix = measured or (None, matrix)
        if fresh and depth is None and wanted is None:
            return observation
        return self._observer.measure(depth, matrix, wanted)

    def _viewpoint(self, header: Header) -> tuple[Viewpoint | None, NDArray[np.float64] | None]:
        """Whose left and right are meant in an image, and its camera matrix."""
        name = self._values["reference_frame"]
        return self._frame.viewpoint(name, header, self.size, self._depth)
