# SPDX-License-Identifier: Apache-2.0
"""Rendered scenes that come with the package, for use where no OpenGL is at hand.

Their seeds are consecutive and held out: no training data is sampled from them.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from refseg_ros.simulation.expressions import Referral, refer
from refseg_ros.simulation.rasteriser import rasterise
from refseg_ros.simulation.renderer import Frame, TabletopRenderer
from refseg_ros.simulation.sampling import sample_scene
from refseg_ros.simulation.scene import SceneSpec
from refseg_ros.simulation.splits import SPLITS

#: Number of bundled scenes.
SCENES = 12
#: Width and height of the bundled pictures in pixels.
SIZE = (640, 480)


@dataclass(frozen=True)
class BundledScene:
    """A scene with its rendering and its expressions.

    Attributes:
        name: file stem, e.g. "scene_00".
        spec: what was rendered.
        frame: the rendering; its depth is rounded to millimetres.
        referrals: expressions with what they mean, as `expressions.refer` gives them.
    """

    name: str
    spec: SceneSpec
    frame: Frame
    referrals: tuple[Referral, ...]


def bundled_scenes() -> list[BundledScene]:
    """Loads the bundled scenes, in the order of their names.

    Raises:
        FileNotFoundError: if the package was installed without them.
    """
    folder = resources.files("refseg_ros.simulation") / "scenes"
    names = sorted(
        entry.name[: -len(".json")] for entry in folder.iterdir() if entry.name.endswith(".json")
    )
    if not names:
        raise FileNotFoundError(f"no scenes in {folder}; reinstall refseg_ros")
    return [_load(name) for name in names]


@cache
def _load(name: str) -> BundledScene:
    folder = resources.files("refseg_ros.simulation") / "scenes"
    data = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))

    def picture(kind: str) -> NDArray[np.generic]:
        with (folder / f"{name}_{kind}.png").open("rb") as file, Image.open(file) as image:
            pixels = np.array(image)
        pixels.setflags(write=False)
        return pixels

    spec = SceneSpec.from_json(json.dumps(data["spec"]))
    instances = picture("instances").astype(np.uint8, copy=False)
    frame = Frame(
        rgb=picture("rgb").astype(np.uint8, copy=False),
        depth=(picture("depth").astype(np.float32) / np.float32(1000.0)),
        instances=instances,
        intrinsics=np.array(data["intrinsics"], dtype=np.float64),
        camera_pose=spec.camera.pose(),
        full_areas=rasterise(spec, instances.shape[1], instances.shape[0]).full_areas,
    )
    return BundledScene(name, spec, frame, tuple(refer(spec, frame)))


def write_bundle(
    out: Path, first_seed: int = SPLITS["slice"].first_seed, count: int = SCENES
) -> None:
    """Renders consecutive seeds into a folder of PNG and JSON files.

    Args:
        out: folder to write.
        first_seed: seed of the first scene.
        count: number of scenes.

    Raises:
        RendererUnavailable: if no OpenGL back end can be started.
    """
    out.mkdir(parents=True, exist_ok=True)
    with TabletopRenderer(*SIZE) as renderer:
        for index in range(count):
            spec = sample_scene(first_seed + index)
            frame = renderer.render(spec)
            millimetres = np.rint(frame.depth * 1000.0).astype(np.uint16)
            stem = f"scene_{index:02d}"
            for kind, pixels in (
                ("rgb", frame.rgb),
                ("depth", millimetres),
                ("instances", frame.instances),
            ):
                Image.fromarray(pixels).save(out / f"{stem}_{kind}.png", optimize=True)
            record = {
                "spec": json.loads(spec.to_json()),
                "intrinsics": frame.intrinsics.tolist(),
            }
            (out / f"{stem}.json").write_text(json.dumps(record) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """The command `python -m refseg_ros.simulation.bundle`."""
    parser = argparse.ArgumentParser(description="Render the scenes that come with the package.")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).parent / "scenes",
        help="folder to write (default: the package's own)",
    )
    write_bundle(parser.parse_args(arguments).out)


if __name__ == "__main__":
    main()
