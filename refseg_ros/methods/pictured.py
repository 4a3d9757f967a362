# SPDX-License-Identifier: Apache-2.0
"""What Ref-Diff knows of an image before a sentence is said, and what each place said adds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.backbones.diffusion import Diffusion, Noised, fitted
from refseg_ros.config.methods import DiffusionConfig, RefDiffConfig
from refseg_ros.language import Direction
from refseg_ros.methods.crops import region_images
from refseg_ros.methods.ref_diff import Map, at_image, attention_map, bias_of_place
from refseg_ros.results import BoolMasks, Proposals

_PLACES = (Direction.LEFT, Direction.RIGHT, Direction.TOP, Direction.BOTTOM)
_SUFFIX = {"paper": "", "released": ", "}

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Pictured:
    """An image as Ref-Diff sees it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        proposals: N candidates.
        clip: Encodes regions.
        diffusion: Attends.
        noised: The image as the latter has it; encoded once, whatever is asked.
        seen: Height and width of the picture that it saw.
        filled: Top, bottom, left and right of the image in that picture.
        config: The diffusion network's settings.
        method: Weights and variant.
    """

    image: Image = field(repr=False)
    proposals: Proposals = field(repr=False)
    clip: ClipEncoder = field(repr=False)
    diffusion: Diffusion = field(repr=False)
    noised: Noised = field(repr=False)
    seen: tuple[int, int]
    filled: tuple[int, int, int, int]
    config: DiffusionConfig
    method: RefDiffConfig
    # What was made, by what it was made of: few places can be said, and one sentence at a time.
    _regions: dict[tuple[str, tuple[Direction, ...]], torch.Tensor] = field(
        default_factory=dict, repr=False
    )
    _latest: dict[tuple[str, int], Map] = field(default_factory=dict, repr=False)

    @classmethod
    def observe(
        cls,
        image: Image,
        proposals: Proposals,
        clip: ClipEncoder,
        diffusion: Diffusion,
        config: DiffusionConfig,
        method: RefDiffConfig,
        crops: torch.Tensor | None = None,
    ) -> Pictured:
        """Do what no sentence changes: latent, noise, the step without words, and features.

        Args:
            image: (H, W, 3) uint8 RGB.
            proposals: N candidates.
            clip: Encodes regions.
            diffusion: Attends.
            config: The diffusion network's settings.
            method: Weights and variant.
            crops: (N, D) features of the candidates' crops, if they were made.
        """
        released = method.procedure == "released"
        pixels = torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)
        picture, filled = fitted(pixels, config.side, diffusion.multiple, square=released)
        noised = diffusion.noised(
            picture,
            config.steps,
            config.start,
            guided=config.guidance != 1,
            late=released,
            seed=config.seed,
        )
        seen = (picture.shape[1], picture.shape[2])
        made = cls(image, proposals, clip, diffusion, noised, seen, filled, config, method)
        if crops is not None:
            made._regions[("crops", ())] = crops
        if not (method.free or method.alpha == 1):
            made.regions(())
        return made

    @property
    def masks(self) -> BoolMasks:
        """(N, H, W) of the candidates."""
        return self.proposals.masks

    def of(self, proposals: Proposals) -> Pictured:
        """The same image with other candidates.

        Args:
            proposals: The other candidates, of the same image.
        """
        return replace(self, proposals=proposals, _regions={})

    def attention(self, text: str, end: int) -> Map:
        """Where the network looks a word of a sentence up.

        Args:
            text: The sentence.
            end: Letters up to the end of the word.

        Returns:
            (H, W) float64 in [0, 1].
        """
        key = (text, end)
        found = self._latest.get(key)
        if found is None:
            found = self._attention(text, end)
            self._latest.clear()
            self._latest[key] = found
        return found

    def _attention(self, text: str, end: int) -> Map:
        procedure = self.method.procedure
        steps = self.diffusion.attend(self.noised, text + _SUFFIX[procedure], self.config.guidance)
        token = self.diffusion.token(text, end)
        height, width = self.noised.latent.shape[2:]
        values = attention_map(steps, token, (height, width), self.config, procedure)
        size = (self.image.shape[0], self.image.shape[1])
        return at_image(values, self.seen, self.filled, size, procedure)

    def regions(self, directions: Sequence[Direction]) -> tuple[torch.Tensor, torch.Tensor]:
        """Features of the masks within the image and of their crops, for a place that is said.

        The paper fades the picture in which the mask is seen, the released code that of the crop.

        Args:
            directions: Positions that were said.

        Returns:
            (N, D) and (N, D) float32.
        """
        said = tuple(item for item in _PLACES if item in directions)
        if self.method.procedure == "released":
            return self._within(()), self._crops(said)
        return self._within(said), self._crops(())

    def crops(self) -> torch.Tensor:
        """(N, D) float32 L2-normalised features of the candidates' crops."""
        return self._crops(())

    def _within(self, said: tuple[Direction, ...]) -> torch.Tensor:
        return self._once(
            ("within", said),
            lambda: self.clip.encode_attending(self._faded(said), self.masks, self.method.side),
        )

    def _crops(self, said: tuple[Direction, ...]) -> torch.Tensor:
        return self._once(
            ("crops", said),
            lambda: self.clip.encode_images(
                list(region_images(self._faded(said), self.proposals))
            ),
        )

    def _faded(self, said: tuple[Direction, ...]) -> Image:
        if not said:
            return self.image
        bias = bias_of_place(self.image.shape[:2], said, self.method.procedure)
        return np.asarray(np.rint(self.image * bias[..., None]), np.uint8)

    def _once(
        self, key: tuple[str, tuple[Direction, ...]], make: Callable[[], torch.Tensor]
    ) -> torch.Tensor:
        if key not in self._regions:
            self._regions[key] = make()
        return self._regions[key]
