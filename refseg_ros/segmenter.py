# SPDX-License-Identifier: Apache-2.0
"""The method in two halves: observe an image once, then select by sentence as often as asked.

``Segmenter.observe(image)`` is expensive (proposals, crops, features, captions) and knows
nothing of language; ``Scene.select(expression)`` is cheap (parse, one text encoding, matrix
products, geometry).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from refseg_ros.backbones.captioner import Captioner
from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.backbones.device import Device
from refseg_ros.config import SegmenterConfig
from refseg_ros.config.uses import (
    captions_as_needed,
    uses_captions,
    uses_diffusion,
    uses_proposals,
)
from refseg_ros.errors import ConfigError, ImageError
from refseg_ros.language.tas.tools import LanguageTools
from refseg_ros.language.vocabulary import Vocabulary
from refseg_ros.levels import levelled
from refseg_ros.loading import LOADING
from refseg_ros.methods.awaiting import AwaitedCaptions
from refseg_ros.methods.catalogue import with_method
from refseg_ros.methods.centre import Centre
from refseg_ros.methods.crops import blur, region_images
from refseg_ros.methods.factory import make_matcher
from refseg_ros.methods.names import Names
from refseg_ros.methods.scoring import SceneFeatures
from refseg_ros.methods.tas import crop_features
from refseg_ros.networks import Networks, NoProposals
from refseg_ros.proposals import Proposer
from refseg_ros.proposals.concepts import ConceptProposer, joined
from refseg_ros.results import Proposals
from refseg_ros.scene import Scene
from refseg_ros.spatial.space import check_inputs
from refseg_ros.spatial.viewpoint import Viewpoint
from refseg_ros.stopwatch import Stopwatch
from refseg_ros.weights import bundled_vocabulary
from refseg_ros.weights.needs import naming_all_missing

if TYPE_CHECKING:
    from refseg_ros.backbones.diffusion import Diffusion

logger = logging.getLogger(__name__)

Image = NDArray[np.uint8]


class Segmenter:
    """Loaded networks under one configuration; makes scenes out of images."""

    def __init__(
        self,
        config: SegmenterConfig,
        device: Device,
        proposer: Proposer,
        clip: ClipEncoder,
        captioner: Captioner | None,
        language: LanguageTools | None = None,
        diffusion: Diffusion | None = None,
        judge: Captioner | None = None,
    ) -> None:
        """Put loaded parts together; most callers want :meth:`from_preset`.

        Args:
            config: Thresholds and weights of every stage.
            device: Where the networks run.
            proposer: Finds masks.
            clip: Encodes crops and texts.
            captioner: Describes crops; None when neither P nor N is weighed.
            language: Noun chunks, synonyms and the released rectifier's entities; ours if None.
            diffusion: What ref_diff asks where it looks a word up; None for other methods.
            judge: Decides close calls by looking; None to leave them AMBIGUOUS.
        """
        decision = config.decision.beside(config.networks)
        if decision is not config.decision:
            logger.warning(
                "decision: fitted with %s, so its thresholds do not apply beside %s",
                config.decision.fitted_with,
                config.networks,
            )
        self.config = replace(config, decision=decision)
        self.device = device
        self.clip = clip
        self.language = language or LanguageTools()
        self.judge = judge
        with device.precision():
            self._centre = Centre.of(clip) if config.score.centre else None
        self.matcher = make_matcher(config, self.language, diffusion)
        self._proposer = proposer
        self._captioner = captioner
        # segment-anything keeps the image that it looks at in its predictor.
        self._observing = threading.Lock()

    @classmethod
    def from_preset(
        cls, name: str = "tabletop", device: str = "auto", method: str = ""
    ) -> Segmenter:
        """Load the networks of a preset.

        Args:
            name: ``tabletop`` (bundled), ``paper``, or the path of a YAML file.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
            method: One of :data:`refseg_ros.methods.catalogue.METHODS`; "" is the preset's own.

        Raises:
            ConfigError: Unknown preset, device, method or value.
            WeightsError: A checkpoint is missing or damaged; the message says how to get it.
        """
        config = with_method(SegmenterConfig.from_preset(name), method)
        return cls.from_config(config, Device.from_name(device))

    @classmethod
    def from_config(
        cls, config: SegmenterConfig, device: Device, networks: Networks | None = None
    ) -> Segmenter:
        """Load the networks that a configuration names; threads that load wait for one another.

        Args:
            config: Thresholds and weights of every stage.
            device: Where the networks run.
            networks: On that device, where other segmenters have theirs from; None loads anew.

        Raises:
            WeightsError: See :meth:`from_preset`; all checkpoints are looked for before the first
                is loaded.
            ConfigError: A parser or WordNet is asked for that is not installed.
        """
        with LOADING, naming_all_missing(config):
            language = LanguageTools.load(config.language)
            networks = networks or Networks(device)
            networks.find(config)
            started = time.perf_counter()
            segmenter = cls(
                config,
                device,
                networks.proposer(config.proposals) if uses_proposals(config) else NoProposals(),
                networks.clip(config.clip),
                networks.captioner(config.captions) if uses_captions(config) else None,
                language,
                networks.diffusion(config.diffusion) if uses_diffusion(config) else None,
                networks.judge(config.judge) if config.judge.model else None,
            )
            seconds = time.perf_counter() - started
            logger.info("loaded %s in %.1f s", segmenter.description, seconds)
            return segmenter

    @property
    def description(self) -> str:
        """Preset, device, precision and language in words.

        ``tabletop on cpu (float32), noun chunks by own rules, synonyms by own groups``
        """
        kept = "".join(f", {name} in {dtype}" for name, dtype in self.converted.items())
        return f"{self.config.name} on {self.device}{kept}, {self.language.description}"

    @property
    def converted(self) -> dict[str, str]:
        """Networks whose weights are in another type than float32 by ``precision``, and which."""
        config = self.config
        used = {"proposals": uses_proposals(config), "clip": bool(config.clip.model)}
        used["captions"] = self.has_captions
        found = {
            name: self.device.weights(getattr(config, name).precision)
            for name, asked in used.items()
            if asked
        }
        plain = (None, torch.float32)
        return {
            name: str(dtype).removeprefix("torch.")
            for name, dtype in found.items()
            if dtype not in plain
        }

    def observe(
        self,
        image: Image,
        depth: NDArray[np.float32] | None = None,
        intrinsics: NDArray[np.float64] | None = None,
        viewpoint: Viewpoint | None = None,
        captions: bool = True,
        proposals: Proposals | None = None,
    ) -> Scene:
        """Compute all that does not depend on a sentence.

        Args:
            image: (H, W, 3) uint8 RGB, at least one pixel.
            depth: (H, W) metres along the optical axis, registered to the image; 0, NaN and
                infinity are unknown. With it, sizes and what is near, behind or tall are measured.
            intrinsics: (3, 3) camera matrix in pixels, rectified; with depth and this, they are
                measured along the table.
            viewpoint: Whose left, right, front and back are meant, which needs ``intrinsics``; the
                camera's without it.
            captions: Whether candidates are captioned now. Without, the scene answers from how
                they look and lie; :meth:`Scene.captioned` makes up for it.
            proposals: Masks from elsewhere, such as a detector's, with its names and scores if it
                has some; found by the networks of the preset if not given.

        Returns:
            A scene to ask as often as wanted; with no proposals it answers NOT_FOUND.
            Threads may share a segmenter and its scenes: images are observed one at a time.

        Raises:
            ImageError: Another shape or type, proposals of another size, or a viewpoint in which
                no table is seen.
            ConfigError: The preset finds no masks, and none are given.
        """
        image = _checked(image)
        seen = self._levelled(image)
        size = (image.shape[0], image.shape[1])
        check_inputs(size, depth, intrinsics, viewpoint)
        self._check_given(proposals, size)
        watch = Stopwatch()
        with self._observing, torch.inference_mode(), self.device.precision():
            concepts = None
            if proposals is None and isinstance(self._proposer, ConceptProposer):
                proposals, concepts = self._proposer.look(seen, watch)
            with watch.stage("proposals"):
                if proposals is None:
                    proposals = self._proposer.propose(seen)
            regions, kept = self.matcher.look(seen, proposals, self.clip, watch)
            later = self.has_captions and captions_as_needed(self.config)
            complete = not later and (captions or not self.has_captions)
            with watch.stage("captions"):
                none = proposals.names or ("",) * len(proposals)
                named = self._region_captions(seen, proposals) if complete else none
                caption = self._caption(seen) if self.matcher.reads_picture else ""
            with watch.stage("texts"):
                scale = self.clip.logit_scale
                features = SceneFeatures(
                    regions, named, caption, scale, complete, kept=kept, centre=self._centre
                )
                kept = self.matcher.read(features, self.clip)
                features = replace(features, kept=kept, names=Names.of(proposals, self.clip))
        scene = Scene(self, image, proposals, features, watch.total(), concepts=concepts)
        scene = self.captioned(scene) if later and captions else scene
        if depth is None and viewpoint is None:
            return scene
        return scene.measured(depth, intrinsics, viewpoint)

    def _levelled(self, image: Image) -> Image:
        return levelled(image, self.config.levels)

    def _check_given(self, proposals: Proposals | None, size: tuple[int, int]) -> None:
        found = uses_proposals(self.config) or self.matcher.brings_candidates
        if proposals is None and not found:
            name = self.config.name
            raise ConfigError(f"proposals: the preset {name} finds none; give a detector's")
        if proposals is not None and proposals.masks.shape[1:] != size:
            raise ImageError(
                f"proposals: masks are {proposals.masks.shape[1:]}, the image is {size}"
            )

    def region_features(self, image: Image, proposals: Proposals) -> torch.Tensor:
        """CLIP features of the black-background crops.

        Args:
            image: (H, W, 3) uint8 RGB.
            proposals: N proposals of that image.

        Returns:
            (N, D) float32 on the CPU, L2-normalised; D is 0 without a CLIP.
        """
        seen = self._levelled(image)
        return crop_features(seen, proposals, self.clip, self.config.score.crop)

    @property
    def vocabulary(self) -> Vocabulary | None:
        """Words that the networks know; None when any may do."""
        if not self.config.decision.known_words:
            return None
        return replace(_bundled_words(), kinds=self.language.kinds)

    @property
    def proposer(self) -> Proposer:
        """What finds masks."""
        return self._proposer

    @property
    def has_captions(self) -> bool:
        """Whether a captioner is loaded."""
        return self._captioner is not None

    def region_captions(self, image: Image, proposals: Proposals) -> tuple[str, ...]:
        """Captions of the blurred-background crops; empty strings without a captioner.

        What came with a name is called by that.

        Args:
            image: (H, W, 3) uint8 RGB.
            proposals: N proposals of that image.
        """
        return self._region_captions(self._levelled(image), proposals)

    def _region_captions(self, seen: Image, proposals: Proposals) -> tuple[str, ...]:
        """Those of an image that is levelled already."""
        said = list(proposals.names or ("",) * len(proposals))
        nameless = [row for row, name in enumerate(said) if not name]
        if self._captioner is None or not nameless:
            return tuple(said)
        score = self.config.score
        crops = region_images(seen, proposals.keep(nameless), score.blur_kernel, score.crop)
        for row, caption in zip(nameless, self._captioner.caption(list(crops)), strict=True):
            said[row] = caption
        return tuple(said)

    def captioned(self, scene: Scene) -> Scene:
        """A scene of :meth:`observe` without captions, with them; see :meth:`Scene.captioned`."""
        if captions_as_needed(self.config):
            return scene if scene.awaiting else replace(scene, awaiting=self._awaiting(scene))
        watch, before = Stopwatch(), scene.features
        with self._observing, torch.inference_mode(), self.device.precision():
            with watch.stage("captions"):
                captions = self.region_captions(scene.image, scene.proposals)
            with watch.stage("texts"):
                features = replace(before, captions=captions, captioned=True)
                features = replace(features, kept=self.matcher.read(features, self.clip))
        seconds = dict(scene.seconds)
        for name, taken in watch.total().items():
            seconds[name] = seconds.get(name, 0.0) + taken
        return replace(scene, features=features, seconds=seconds)

    def _awaiting(self, scene: Scene) -> AwaitedCaptions:
        """The captions of a scene, none of them made; the picture is blurred once for all."""
        seen, proposals, score = self._levelled(scene.image), scene.proposals, self.config.score
        blurred: list[Image] = []

        def describe(rows: Sequence[int]) -> list[str]:
            assert self._captioner is not None
            with self._observing, torch.inference_mode(), self.device.precision():
                blurred[:] = blurred or [blur(seen, score.blur_kernel)]
                some = proposals.keep(list(rows))
                crops = region_images(seen, some, score.blur_kernel, score.crop, blurred[0])
                return self._captioner.caption(list(crops))

        return AwaitedCaptions(proposals.names or ("",) * len(proposals), describe)

    def with_nouns(self, scene: Scene, nouns: Sequence[str]) -> Scene:
        """A scene with what its text-prompted network finds of nouns; see :meth:`Scene.asked`."""
        assert scene.concepts is not None
        proposals, before = scene.proposals, scene.features
        seen = self._levelled(scene.image)

        def describe(found: Proposals) -> tuple[NDArray[np.intp], torch.Tensor, object]:
            """Those that are no candidates yet, and what the method sees of them."""
            _, added = joined(scene.proposals, found)
            new = np.array([row for row, same in added if same < 0], np.intp)
            looks = self.matcher.look(seen, found.keep(new), self.clip, Stopwatch())
            return new, *looks

        regions, kept, captions = before.regions, before.kept, list(before.captions)
        for found, (new, looks, own) in scene.concepts.ask(nouns, describe):
            proposals, added = joined(proposals, found)
            for row, same in added:
                rows = np.array([np.searchsorted(new, row) if same < 0 else same])
                regions = torch.cat([regions, (looks if same < 0 else regions)[rows]])
                kept = self.matcher.joined(kept, own if same < 0 else kept, rows)
                captions.append(found.names[row])
        features = replace(before, regions=regions, captions=tuple(captions), kept=kept)
        kept = self.matcher.read(features, self.clip)
        features = replace(features, kept=kept, names=Names.of(proposals, self.clip))
        return replace(scene, proposals=proposals, features=features, base=scene)

    def image_caption(self, image: Image) -> str:
        """Caption of a whole image; empty without a captioner.

        Args:
            image: (H, W, 3) uint8 RGB.
        """
        with self._observing, torch.inference_mode(), self.device.precision():
            return self._caption(self._levelled(image))

    def _caption(self, seen: Image) -> str:
        return self._captioner.caption([seen])[0] if self._captioner else ""


@lru_cache(maxsize=1)
def _bundled_words() -> Vocabulary:
    return Vocabulary.of(bundled_vocabulary())


def _checked(image: Image) -> Image:
    if not isinstance(image, np.ndarray):
        raise ImageError(f"image: expected a numpy array, got {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ImageError(f"image: expected (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}")
    if not image.size:
        raise ImageError(f"image: {image.shape} has no pixels")
    return np.ascontiguousarray(image)
