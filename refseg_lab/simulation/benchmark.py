# SPDX-License-Identifier: Apache-2.0
"""RefTabletop on disk: makes the splits of the benchmark and reads them.

A split is a folder: `manifest.json`; `scenes.jsonl` with one line for each scene; and of each
scene `rgb/000000.jpg`, the sensor's own compressed picture, `instances/000000.png`, and
`depth/000000.png` in whole millimetres.
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, overload

from refseg_lab.simulation.expressions import Referral
from refseg_lab.simulation.renderer import Frame
from refseg_lab.simulation.scene import SceneSpec
from refseg_lab.simulation.sensor import decode_jpeg
from refseg_lab.simulation.splits import Split, get_split
from refseg_lab.simulation.storage import (
    KINDS,
    SceneFiles,
    check_folder,
    read_depth,
    read_instances,
    replace_file,
)
from refseg_ros.errors import ConfigError

_LOGGER = logging.getLogger(__name__)

#: Version of the layout of a stored split.
FORMAT = 1
#: Width and height of the pictures in pixels.
SIZE = (640, 480)
#: Where the split `slice` comes with the package.
SLICE_FOLDER = Path(str(resources.files("refseg_lab"))) / "simulation" / "slice"

_MANIFEST, _LISTING = "manifest.json", "scenes.jsonl"


@dataclass(frozen=True)
class TabletopScene:
    """A scene of the benchmark.

    Attributes:
        name: e.g. "test_0012".
        spec: what was rendered.
        frame: the picture with ground truth; its depth is rounded to millimetres.
        referrals: expressions with what they mean.
    """

    name: str
    spec: SceneSpec
    frame: Frame
    referrals: tuple[Referral, ...]


class TabletopSplit(Sequence[TabletopScene]):
    """The scenes of a stored split; each is read from disk when it is asked for.

    Args:
        folder: folder of the split.

    Attributes:
        name: name of the split.

    Raises:
        ConfigError: if the folder holds no whole split of this version.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        manifest = _read_manifest(folder)
        try:
            data = (folder / _LISTING).read_bytes()
        except OSError as error:
            raise ConfigError(f"folder: {folder} has no readable {_LISTING} ({error})") from error
        self._lines = data.decode("utf-8", "replace").splitlines()
        if hashlib.sha256(data).hexdigest() != manifest["sha256"]:
            raise ConfigError(f"folder: {folder / _LISTING} is not what {_MANIFEST} says")
        if len(self._lines) != manifest["scenes"]:
            raise ConfigError(
                f"folder: {folder} lists {len(self._lines)} scenes, not {manifest['scenes']}"
            )
        self.name = str(manifest["split"])
        for index in range(len(self._lines)):
            for path in SceneFiles(folder, index):
                if not path.is_file():
                    raise ConfigError(f"folder: {path} is missing; make the split again")

        self._indices = range(len(self._lines))

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> TabletopScene: ...

    @overload
    def __getitem__(self, index: slice) -> TabletopSplit: ...

    def __getitem__(self, index: int | slice) -> TabletopScene | TabletopSplit:
        """Reads one scene, or gives a part of the split, which reads nothing yet.

        Raises:
            ConfigError: if a file is damaged.
            IndexError: if there is no such scene.
        """
        if isinstance(index, slice):
            part = copy.copy(self)
            part._indices = self._indices[index]
            return part
        return self._read(self._indices[index])

    def _read(self, index: int) -> TabletopScene:
        files = SceneFiles(self._folder, index)
        try:
            record = json.loads(self._lines[index])
            spec = SceneSpec.from_json(json.dumps(record["spec"]))
            frame = load_frame(spec, files, record["full_areas"])
            if list(frame.areas(len(spec.objects))) != record["areas"]:
                raise ValueError("the visible areas of its objects are not those listed")
            referrals = tuple(Referral.from_dict(entry) for entry in record["referrals"])
            known = range(len(spec.objects))
            if any(target not in known for item in referrals for target in item.targets):
                raise ValueError(f"a target is none of its {len(known)} objects")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"folder: scene {index} of {self._folder}: {error}") from error
        return TabletopScene(f"{self.name}_{index:04d}", spec, frame, referrals)


def open_split(folder: Path) -> TabletopSplit:
    """Opens a stored split.

    Args:
        folder: what `make_split` wrote.

    Raises:
        ConfigError: if it holds no whole split of this version.
    """
    return TabletopSplit(folder)


def bundled_slice() -> TabletopSplit:
    """The split `slice`, which comes with the package.

    Raises:
        ConfigError: if the package was installed without it.
    """
    return open_split(SLICE_FOLDER)


def load_frame(spec: SceneSpec, files: SceneFiles, full_areas: Sequence[int]) -> Frame:
    """Reads the stored pictures of a scene.

    Raises:
        OSError: if a file cannot be read.
        ValueError: if a file is damaged, or the pictures differ in size.
    """
    jpeg = files.rgb.read_bytes()
    rgb, depth = decode_jpeg(jpeg), read_depth(files.depth)
    instances, _ = read_instances(files.instances)
    if not rgb.shape[:2] == depth.shape == instances.shape:
        raise ValueError(f"pictures of {rgb.shape[:2]}, {depth.shape} and {instances.shape}")
    if instances.max(initial=0) > len(spec.objects):
        raise ValueError(f"object {instances.max()} of {len(spec.objects)}")
    height, width = instances.shape
    for pixels in (rgb, depth, instances):
        pixels.setflags(write=False)
    return Frame(
        rgb=rgb,
        depth=depth,
        instances=instances,
        intrinsics=spec.camera.intrinsics(width, height),
        camera_pose=spec.camera.pose(),
        full_areas=tuple(int(area) for area in full_areas),
        jpeg=jpeg,
    )


def make_split(
    name: str,
    folder: Path,
    scenes: int | None = None,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Renders a split into a folder; pictures that are there already are kept.

    Args:
        name: one of `splits.SPLITS`.
        folder: to create or to complete.
        scenes: how many scenes to make, the first of the split; None for all.
        workers: processes to render with, at least 1.
        progress: called with the scenes finished and their whole number.

    Raises:
        ConfigError: if there is no such split, a number is out of range, or the folder holds
            other things.
        RendererUnavailable: if no OpenGL back end can be started.
    """
    from refseg_lab.simulation.split_rendering import made_records

    split = get_split(name)
    count = split.scenes if scenes is None else scenes
    if not 1 <= count <= split.scenes:
        raise ConfigError(f"scenes must lie in 1..{split.scenes} for {name}, got {count}")
    if workers < 1:
        raise ConfigError(f"workers must be at least 1, got {workers}")
    check_folder(folder, {_MANIFEST, _LISTING, *KINDS})
    if (folder / _MANIFEST).exists():
        present = _read_manifest(folder)["split"]
        if present != name:
            raise ConfigError(f"folder: {folder} holds the split {present}, not {name}")
        # Until the listing is whole again, nobody may take it for a split.
        (folder / _MANIFEST).unlink(missing_ok=True)
    lines = []
    for record in made_records(split, folder, count, workers, SIZE):
        lines.append(json.dumps(record, separators=(",", ":")) + "\n")
        if progress is not None:
            progress(len(lines), count)
    _finish(split, folder, lines)
    _LOGGER.info("made %d scenes of %s in %s", count, name, folder)


def _finish(split: Split, folder: Path, lines: Sequence[str]) -> None:
    """Writes the listing and then the manifest that vouches for it."""
    listing = "".join(lines).encode("utf-8")
    replace_file(folder / _LISTING, listing)
    manifest = {
        "format": FORMAT,
        "split": split.name,
        "scenes": len(lines),
        "first_seed": split.first_seed,
        "profile": split.profile,
        "size": list(SIZE),
        "sha256": hashlib.sha256(listing).hexdigest(),
    }
    replace_file(folder / _MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode("utf-8"))
    for path in _surplus(folder, len(lines)):
        path.unlink()


def _surplus(folder: Path, count: int) -> Iterator[Path]:
    """Pictures of scenes beyond those listed."""
    wanted = {path for index in range(count) for path in SceneFiles(folder, index)}
    for kind in KINDS:
        yield from (path for path in (folder / kind).iterdir() if path not in wanted)


def _read_manifest(folder: Path) -> dict[str, Any]:
    """Reads and checks the manifest.

    Raises:
        ConfigError: if there is none, or it is not of this version.
    """
    path = folder / _MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        known = manifest["format"]
        get_split(manifest["split"])
        if not isinstance(manifest["scenes"], int) or not isinstance(manifest["sha256"], str):
            raise ValueError("scenes or sha256 is of another type")
    except FileNotFoundError as error:
        raise ConfigError(
            f"folder: {folder} holds no whole split; make one with make_split"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"folder: {path} is no manifest of a split ({error})") from error
    if known != FORMAT:
        raise ConfigError(
            f"folder: {folder} is stored in format {known!r}, and this version reads {FORMAT}; "
            "make the split again"
        )
    return dict(manifest)
