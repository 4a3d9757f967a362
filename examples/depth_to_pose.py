# SPDX-License-Identifier: Apache-2.0
"""From a mask and a depth image to the upright box of a thing, for a gripper.

python examples/depth_to_pose.py
"""

from __future__ import annotations

from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros import Segmenter
from refseg_ros.geometry import pose_of


def main() -> None:
    """Find a teapot in a bundled scene and print where it stands."""
    frame = bundled_scenes()[5].frame
    segmenter = Segmenter.from_preset("tabletop")
    # With depth, "behind" and "the tallest" are measured; without, they are read from the picture.
    scene = segmenter.observe(frame.rgb, frame.depth, frame.intrinsics)
    selection = scene.select("the green teapot")
    print(f"{selection.status.name}: {selection.reason}")
    pose, why_not = pose_of(selection.mask, frame.depth, frame.intrinsics)
    if pose is None:
        print(f"no pose: {why_not}")
        return
    print("in metres, camera's optical frame (x right, y down, z forward)")
    print(f"centre {pose.centre.round(3).tolist()}, size {pose.size.round(3).tolist()}")
    print(f"quaternion x y z w {[round(part, 3) for part in pose.quaternion]}")


if __name__ == "__main__":
    main()
