#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Scenes of RefTabletop path-traced by Mitsuba 3, as a check outside the own renderer.

Things, camera and surfaces are those of the scenes of chance with seeds from 3,000,000 on, which
no split has; a procedural surrounding of sky, windows and lamps lights them, and the picture is
exposed and developed as a camera does it, six in ten with a film's curve. Nothing is trained on
them. Two steps, because Mitsuba (BSD) needs an environment of its own:

    python benchmarks/path_traced.py write out/traced --scenes 40
    mitsuba-venv/bin/python benchmarks/path_traced.py render out/traced    # 9 s of a core a scene
    python benchmarks/path_traced.py measure out/traced --weights bundled build/weights

The second needs `pip install mitsuba numpy opencv-python-headless` alone. The third prints the
row of `benchmarks/robustness.py`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

FIRST_SEED = 3_000_000
SIZE = (512, 384)
SAMPLES = 20
_ROUGHNESS = {"matte": 0.9, "satin": 0.45, "glossy": 0.12, "metallic": 0.3}

Floats = NDArray[np.float32]


def write(folder: Path, scenes: int) -> None:
    """Write meshes, colours and cameras for the renderer, which knows nothing of refseg."""
    from refseg_lab.simulation.catalogue import CATEGORIES, SIZES, parts
    from refseg_lab.simulation.sampling import sample_scene
    from refseg_lab.simulation.textures import paint

    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(FIRST_SEED, FIRST_SEED + scenes):
        spec = sample_scene(seed)
        arrays: dict[str, Any] = {}
        looks: list[tuple[Any, str]] = []
        for item in spec.objects:
            pose, accent = item.pose(), CATEGORIES[item.category].accent
            for number, mesh in enumerate(parts(item.category)):
                if mesh is None:
                    continue
                points = SIZES[item.size] * mesh.vertices @ pose[:3, :3].T + pose[:3, 3]
                colour = item.rgb if number == 0 or accent is None else accent
                arrays[f"points{len(looks)}"] = points.astype(np.float32)
                arrays[f"faces{len(looks)}"] = mesh.faces.astype(np.uint32)
                looks.append((colour, item.finish))
        about = {
            "seed": seed,
            "spec": spec.to_json(),
            "looks": looks,
            "fovy": float(np.degrees(spec.camera.fovy)),
            "repeat": spec.table.repeat,
            "half": spec.table_size,
        }
        np.savez_compressed(
            folder / f"{seed}.npz",
            about=json.dumps(about),
            pose=spec.camera.pose(),
            **{name: paint(getattr(spec, name)) for name in ("table", "floor", "wall")},
            **arrays,
        )


def listed(folder: Path) -> Iterator[dict[str, Any]]:
    """What :func:`write` wrote, a scene at a time."""
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as arrays:
            scene = {**json.loads(str(arrays["about"])), **arrays}
        scene["meshes"] = [
            (scene[f"points{number}"], scene[f"faces{number}"], colour, finish)
            for number, (colour, finish) in enumerate(scene["looks"])
        ]
        yield scene


def surrounding(rng: np.random.Generator) -> Floats:
    """(64, 128, 3) light from everywhere: sky, ground, and one to three windows or lamps."""
    height, width = 64, 128
    y, x = np.mgrid[0:height, 0:width]
    sky = np.array([0.25, 0.27, 0.3]) * rng.uniform(0.5, 1.3)
    ground = np.array([0.22, 0.2, 0.17]) * rng.uniform(0.3, 1.2)
    down = (y / height)[..., None]
    clouds = cv2.GaussianBlur(rng.normal(0, 1, (height, width, 3)), (0, 0), 14)
    light = (sky * (1 - down) + ground * down) * np.exp(0.35 * clouds / clouds.std())
    for _ in range(rng.integers(1, 4)):
        row, column = rng.uniform(4, 28), rng.uniform(0, width)
        high, wide = rng.uniform(2, 8), rng.uniform(3, 14)
        warmth = rng.normal(0, 0.25)
        colour = np.array([1 + warmth, 1, 1 - warmth]) * rng.uniform(3, 14)
        across = np.minimum(np.abs(x - column), width - np.abs(x - column)) / wide
        away = np.maximum(np.abs(y - row) / high, across)
        light += np.clip(1.15 - away, 0, 0.15)[..., None] / 0.15 * colour
    return light.astype(np.float32)


def developed(light: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    """What a camera makes of light: exposure about the mean, and for six in ten a film's curve."""
    light = np.clip(light, 0, 1.5 * np.percentile(light, 99.9))
    grey = np.exp(np.mean(np.log(light @ np.array([0.3, 0.59, 0.11]) + 1e-4)))
    light = light * (0.22 / grey) * np.exp(rng.normal(0, 0.3))
    if rng.random() < 0.6:
        light = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
    picture = (255 * np.clip(light, 0, 1) ** (1 / 2.2) + 0.5).astype(np.uint8)
    return np.asarray(cv2.fastNlMeansDenoisingColored(picture, None, 3, 3, 3, 9), np.uint8)


def _tracer() -> Any:
    import mitsuba

    mitsuba.set_variant("scalar_rgb")
    return mitsuba


def _mesh(mi: Any, points: Floats, faces: Any, look: dict[str, Any], places: Any = None) -> Any:
    given = mi.Properties()
    given["mesh_bsdf"] = mi.load_dict(look)
    mesh = mi.Mesh("mesh", len(points), len(faces), given, False, places is not None)
    values = mi.traverse(mesh)
    values["vertex_positions"], values["faces"] = points.ravel(), faces.ravel()
    if places is not None:
        values["vertex_texcoords"] = places.ravel()
    values.update()
    return mesh


def _surface(mi: Any, picture: Any, repeat: float, roughness: float) -> dict[str, Any]:
    return {
        "type": "principled",
        "roughness": roughness,
        "specular": 0.3,
        "base_color": {
            "type": "bitmap",
            "bitmap": mi.Bitmap(np.ascontiguousarray(picture)),
            "wrap_mode": "repeat",
            "to_uv": mi.ScalarTransform4f().scale([repeat, repeat, 1]),
        },
    }


def _thing(colour: Any, finish: str) -> dict[str, Any]:
    look: dict[str, Any] = {
        "type": "principled",
        "base_color": {"type": "rgb", "value": [float(part) ** 2.2 for part in colour]},
        "roughness": _ROUGHNESS[finish],
        "specular": 0.5,
    }
    if finish == "metallic":
        return {**look, "metallic": 0.7}
    if finish == "glossy":
        look["clearcoat"] = 0.6
    return {"type": "twosided", "bsdf": look}


def _world(mi: Any, scene: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    towards = np.eye(4)
    towards[:3] = scene["pose"][:3] * (-1, -1, 1, 1)  # Mitsuba's x is to the left, y is up
    turned = mi.ScalarTransform4f().rotate([1, 0, 0], 90)
    film = {"type": "hdrfilm", "width": SIZE[0], "height": SIZE[1], "pixel_format": "rgb"}
    world: dict[str, Any] = {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": 6},
        "sensor": {
            "type": "perspective",
            "fov_axis": "y",
            "fov": scene["fovy"],
            "near_clip": 0.02,
            "far_clip": 50.0,
            "to_world": mi.ScalarTransform4f(towards),
            "sampler": {"type": "independent", "sample_count": SAMPLES, "seed": scene["seed"]},
            "film": film,
        },
        "light": {
            "type": "envmap",
            "bitmap": mi.Bitmap(surrounding(rng)),
            "to_world": turned,
        },
    }
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.uint32)
    picture, repeat, half = scene["table"], scene["repeat"], scene["half"]
    for name, size, look in (
        ("table", half, _surface(mi, picture, repeat, float(rng.uniform(0.2, 0.9)))),
        ("floor", (6, 6), _surface(mi, scene["floor"], 0.8, 0.8)),
        ("wall", (6, 3), {"type": "twosided", "bsdf": _surface(mi, scene["wall"], 0.8, 0.9)}),
    ):
        flat = corners * np.asarray(size, np.float32)
        first, second = flat.T
        level = np.zeros(4, np.float32)
        points = {
            "table": np.stack([first, second, level], 1),
            "floor": np.stack([first, second, level - 0.72], 1),
            "wall": np.stack([first, level + 1.6, second], 1),
        }[name]
        world[name] = _mesh(mi, points.astype(np.float32), faces, look, flat)
    for number, (points, triangles, colour, finish) in enumerate(scene["meshes"]):
        world[f"thing{number}"] = _mesh(mi, points, triangles, _thing(colour, finish))
    return world


def render(folder: Path) -> None:
    """Trace the scenes of a folder that have no picture yet."""
    mi = _tracer()
    for scene in listed(folder):
        path = folder / f"{scene['seed']}.png"
        if path.exists():
            continue
        rng = np.random.default_rng(scene["seed"])
        light = np.array(mi.render(mi.load_dict(_world(mi, scene, rng)), spp=SAMPLES))[..., :3]
        cv2.imwrite(str(path), developed(light, rng)[..., ::-1])
        print(path, file=sys.stderr)


def measure(folder: Path, weights: list[str]) -> None:
    """Ask each model the sentences of the scenes, on the same proposals."""
    import torch
    from robustness import ROWS, answered, segmenter_with, shown_table

    from refseg_lab.simulation.benchmark import TabletopScene
    from refseg_lab.simulation.expressions import benchmark_referrals
    from refseg_lab.simulation.rasteriser import rasterise
    from refseg_lab.simulation.renderer import Frame
    from refseg_lab.simulation.scene import SceneSpec

    torch.set_num_threads(1)
    scenes = []
    for entry in listed(folder):
        picture = cv2.imread(str(folder / f"{entry['seed']}.png"))
        if picture is None:
            continue
        spec = SceneSpec.from_json(entry["spec"])
        seen = rasterise(spec, *SIZE)
        frame = Frame(
            np.ascontiguousarray(picture[..., ::-1], np.uint8),
            np.zeros(picture.shape[:2], np.float32),
            seen.instances,
            spec.camera.intrinsics(*SIZE),
            spec.camera.pose(),
            seen.full_areas,
        )
        asked = tuple(benchmark_referrals(spec, frame, "val"))
        scenes.append(TabletopScene(f"traced_{entry['seed']}", spec, frame, asked))
    found = answered(scenes, ROWS[:1], {name: segmenter_with(name) for name in weights})
    print(shown_table(found))


def main(arguments: list[str] | None = None) -> None:
    """One of the three steps."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("step", choices=("write", "render", "measure"))
    made.add_argument("folder", type=Path, help="folder of the scenes and pictures")
    made.add_argument("--scenes", type=int, default=40, help="scenes to write")
    made.add_argument("--weights", nargs="+", default=["bundled"], help="folders of models")
    options = made.parse_args(arguments)
    if options.step == "write":
        write(options.folder, options.scenes)
    elif options.step == "render":
        render(options.folder)
    else:
        measure(options.folder, options.weights)


if __name__ == "__main__":
    main()
