# SPDX-License-Identifier: Apache-2.0
"""Loads the networks that configurations name, each once however many ask for it."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from refseg_ros.backbones.captioner import Captioner
from refseg_ros.backbones.clip import ClipEncoder, NoClip
from refseg_ros.backbones.conv_pyramid import ConvPyramid
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.exported import ImageTower, run_exported
from refseg_ros.backbones.precision import run_in
from refseg_ros.backbones.sam import load_sam
from refseg_ros.backbones.sam_family import (
    KINDS_OF_TEXT,
    FamilyNetwork,
    load_family,
    read_json,
    read_settings,
)
from refseg_ros.config import CaptionConfig, ClipConfig, ProposalConfig, SegmenterConfig
from refseg_ros.config.methods import DiffusionConfig, JudgeConfig
from refseg_ros.config.uses import uses_captions, uses_diffusion, uses_proposals
from refseg_ros.errors import ConfigError, WeightsError
from refseg_ros.proposals import Proposer
from refseg_ros.proposals.concepts import BoxedConcepts, ConceptProposer, NamingProposer
from refseg_ros.proposals.factory import box_prompted, make_proposer
from refseg_ros.proposals.familiarity import Familiarity
from refseg_ros.proposals.network import BoxNetwork, ConceptNetwork
from refseg_ros.results import Proposals
from refseg_ros.weights import resolve

if TYPE_CHECKING:
    import torch
    from segment_anything.modeling import Sam

    from refseg_ros.backbones.diffusion import Diffusion

logger = logging.getLogger(__name__)


class NoProposals:
    """The proposer of a method that makes its candidates from the sentence."""

    def propose(self, image: NDArray[np.uint8]) -> Proposals:
        """None at all."""
        return Proposals.empty(image.shape[0], image.shape[1])


class Networks:
    """Networks on one device, kept for the next configuration that names the same ones."""

    def __init__(self, device: Device) -> None:
        """Load nothing yet.

        Args:
            device: Where the networks are put.
        """
        self.device = device
        self._masks: dict[tuple[str, str, str, str, bool], Sam | FamilyNetwork] = {}
        self._concepts: dict[str, ConceptNetwork] = {}
        self._detectors: dict[str, BoxNetwork | ConceptNetwork] = {}
        self._proposers: dict[ProposalConfig, Proposer] = {}
        self._clips: dict[ClipConfig, ClipEncoder] = {}
        self._captioners: dict[CaptionConfig, Captioner] = {}
        self._diffusions: dict[str, Diffusion] = {}

    @staticmethod
    def find(config: SegmenterConfig) -> None:
        """Look for all files before the first is loaded.

        Args:
            config: Names them; the captioner's only if :func:`uses_captions`.

        Raises:
            WeightsError: A checkpoint is missing; the message says how to get it.
            ConfigError: See :meth:`proposer`.
        """
        if config.proposals.detector:
            resolve(config.proposals.detector)
        if uses_proposals(config) and config.proposals.checkpoint:
            weights = resolve(config.proposals.checkpoint)
            _architecture(config.proposals.architecture)
            if weights.is_dir():
                _check_folder(weights, config.proposals)
        if uses_diffusion(config):
            resolve(config.diffusion.model)
        if config.judge.model:
            resolve(config.judge.model)
        if config.clip.checkpoint:
            resolve(config.clip.checkpoint)
        if ":" in config.clip.model:
            resolve(config.clip.model)
        if uses_captions(config):
            resolve(config.captions.model)

    def proposer(self, config: ProposalConfig) -> Proposer:
        """What finds masks.

        Raises:
            WeightsError: The checkpoint is missing or damaged.
            ConfigError: See :func:`refseg_ros.proposals.factory.make_proposer`; or a folder is
                asked to be of one architecture.
        """
        if config in self._proposers:
            return self._proposers[config]
        plain = replace(config, detector="", phrases=(), prompts=_points(config))
        if config.asks_nouns:
            self._proposers[config] = self._concept_proposer(config, plain)
        elif config.detector:
            boxes = self._detector(config.detector)
            if not hasattr(boxes, "concept_boxes"):
                raise ConfigError(
                    f"proposals.detector: {config.detector} draws masks of phrases by itself; "
                    "name it as proposals.checkpoint, or leave the phrases out"
                )
            masks = self.proposer(plain) if config.checkpoint else NoProposals()
            self._proposers[config] = NamingProposer(boxes, masks, config, self.device)
        else:
            network = self._mask_network(config)
            concepts = None
            if config.phrases and isinstance(network, FamilyNetwork):
                concepts = self._concept_network(config.checkpoint, network)
            familiar = Familiarity.beside(resolve(config.checkpoint))
            self._proposers[config] = make_proposer(
                network, config, self.device, concepts, familiar
            )
        return self._proposers[config]

    def _concept_proposer(self, config: ProposalConfig, plain: ProposalConfig) -> ConceptProposer:
        """What asks a detector for the nouns of sentences."""
        points: Proposer = NoProposals()
        network = self._mask_network(plain) if config.checkpoint else None
        if network is not None and config.prompts != "none":
            familiar = Familiarity.beside(resolve(config.checkpoint))
            own = replace(plain, generator="own")
            points = make_proposer(network, own, self.device, familiar=familiar)
        if config.detector == config.checkpoint and isinstance(network, FamilyNetwork):
            return ConceptProposer(
                self._concept_network(config.checkpoint, network), points, config, self.device
            )
        found = self._detector(config.detector)
        if not hasattr(found, "concept_masks"):
            drawing = None if network is None else box_prompted(network)
            found = BoxedConcepts(found, drawing, config, self.device)
        return ConceptProposer(found, points, config, self.device)

    def _mask_network(self, config: ProposalConfig) -> Sam | FamilyNetwork:
        # A proposer by seeds lays the encoder's weights out in another way.
        key = (
            config.architecture,
            config.checkpoint,
            config.prompts,
            config.precision,
            config.onnx,
        )
        if key not in self._masks:
            self._masks[key] = self._network(config)
        return self._masks[key]

    def _detector(self, name: str) -> Any:
        if name not in self._detectors:
            self._detectors[name] = load_text_prompted(resolve(name), self.device.torch_device)
        return self._detectors[name]

    def _concept_network(self, checkpoint: str, points: FamilyNetwork) -> ConceptNetwork:
        if checkpoint not in self._concepts:
            from refseg_ros.backbones.sam3 import load_concepts

            self._concepts[checkpoint] = load_concepts(resolve(checkpoint), points)
        return self._concepts[checkpoint]

    def _network(self, config: ProposalConfig) -> Sam | FamilyNetwork:
        weights, dtype = resolve(config.checkpoint), self._dtype("proposals", config.precision)
        if weights.is_dir():
            _check_folder(weights, config)
            family = load_family(weights, self.device.torch_device)
            encoder = family.model.vision_encoder
            if dtype is not None:  # of the backbone, which two share in SAM 3
                run_in(getattr(encoder, "backbone", encoder), dtype)
            return family
        sam = load_sam(_architecture(config.architecture), weights, self.device.torch_device)
        if dtype is not None:
            seeds = getattr(sam.image_encoder, "seeds", None)  # called beside the rest
            for part in filter(None, (sam.image_encoder, seeds)):
                run_in(part, dtype)
        if config.onnx:
            run_exported(_sam_tower(sam, weights))
        return sam

    def _dtype(self, network: str, precision: str) -> torch.dtype | None:
        """See :meth:`Device.weights`; says aloud what is slow."""
        dtype = self.device.weights(precision)
        if self.device.emulates(dtype):
            logger.warning(
                "%s.precision: %s is emulated on %s, which is slow; auto takes what is not",
                network,
                precision,
                self.device,
            )
        return dtype

    def clip(self, config: ClipConfig) -> ClipEncoder:
        """What encodes crops and texts; nothing does if no model is named.

        Raises:
            WeightsError: The checkpoint is missing or damaged.
        """
        if not config.model:
            return NoClip()
        if config not in self._clips:
            model, weights = _clip_files(config)
            self._clips[config] = ClipEncoder.load(
                model,
                weights,
                device=self.device.torch_device,
                dtype=self._dtype("clip", config.precision),
            )
            if config.onnx and (tower := _clip_tower(self._clips[config], weights or model)):
                run_exported(tower)
        return self._clips[config]

    def captioner(self, config: CaptionConfig) -> Captioner:
        """What describes crops.

        Raises:
            WeightsError: The folder is missing or damaged.
        """
        if config not in self._captioners:
            self._captioners[config] = Captioner.load(
                resolve(config.model),
                device=self.device.torch_device,
                max_new_tokens=config.max_new_tokens,
                num_beams=config.num_beams,
                batch_size=config.batch_size,
                dtype=self._dtype("captions", config.precision) or self.device.dtype,
                prompt=config.prompt,
            )
            tower = _captioner_tower(self._captioners[config], resolve(config.model))
            if config.onnx and tower:
                run_exported(tower)
        return self._captioners[config]

    def towers(self, config: SegmenterConfig) -> tuple[list[ImageTower], list[str]]:
        """The image encoders of a configuration that can be exported, as torch runs them.

        Returns:
            They, and in words what cannot be.

        Raises:
            WeightsError: A checkpoint is missing or damaged.
        """
        self.find(config)
        found: dict[str, ImageTower | None] = {}
        if uses_proposals(config) and config.proposals.checkpoint:
            name = config.proposals.checkpoint
            sam = self._mask_network(replace(config.proposals, onnx=False, precision="float32"))
            family = isinstance(sam, FamilyNetwork)
            found[name] = None if family else _sam_tower(sam, resolve(name))
        if config.clip.model:
            clip = self.clip(replace(config.clip, onnx=False, precision="float32"))
            model, weights = _clip_files(config.clip)
            found[str(weights or model)] = _clip_tower(clip, weights or model)
        if uses_captions(config):
            name = config.captions.model
            captioner = self.captioner(replace(config.captions, onnx=False, precision="float32"))
            found[name] = _captioner_tower(captioner, resolve(name))
        towers = [tower for tower in found.values() if tower]
        return towers, [name for name, tower in found.items() if not tower]

    def judge(self, config: JudgeConfig) -> Captioner:
        """What decides close calls.

        Raises:
            WeightsError: The folder is missing or damaged.
            ConfigError: It holds a network that answers no questions.
        """
        found = self.captioner(CaptionConfig(model=config.model, num_beams=1))
        if not found.chats:
            raise ConfigError(
                f"judge.model: {config.model} answers no questions; name a network with a chat "
                "template"
            )
        return found

    def diffusion(self, config: DiffusionConfig) -> Diffusion:
        """What ref_diff asks where it looks a word up.

        Raises:
            WeightsError: The folder is missing or damaged.
            ConfigError: diffusers is not installed.
        """
        from refseg_ros.backbones.diffusion import Diffusion

        if config.model not in self._diffusions:
            self._diffusions[config.model] = Diffusion.load(
                resolve(config.model), device=self.device.torch_device
            )
        return self._diffusions[config.model]


def _clip_files(config: ClipConfig) -> tuple[str | Path, Path | None]:
    """The model's folder or the name of its architecture, and the weights of that."""
    model: str | Path = resolve(config.model) if ":" in config.model else config.model
    return model, resolve(config.checkpoint) if config.checkpoint else None


def _sam_tower(sam: Sam, weights: Path) -> ImageTower:
    encoder = sam.image_encoder
    side = encoder.img_size
    if isinstance(encoder, ConvPyramid):
        return ImageTower("image_encoder", encoder, weights, (1, 3, 64, 96), (2, 3))
    return ImageTower("image_encoder", encoder, weights, (1, 3, side, side))


def _clip_tower(clip: ClipEncoder, weights: str | Path) -> ImageTower | None:
    if not isinstance(weights, Path):
        return None
    side = clip.side
    return ImageTower("visual", clip.visual, weights, (2, 3, side, side), (0,))


def _captioner_tower(captioner: Captioner, weights: Path) -> ImageTower | None:
    vision = captioner.blip_vision
    if vision is None:
        return None
    side = vision.config.image_size
    return ImageTower("vision_model", vision, weights, (2, 3, side, side), (0,))


def load_text_prompted(folder: Path, device: torch.device) -> BoxNetwork | ConceptNetwork:
    """Load a network that is prompted with phrases, by what its folder says it is.

    Args:
        folder: A folder written by ``save_pretrained``; nothing is downloaded.
        device: Where the network is put.

    Raises:
        WeightsError: It is incomplete, damaged, or holds another kind of network.
    """
    kind = str(read_json(folder / "config.json").get("model_type"))
    if kind == "owlv2":
        from refseg_ros.backbones.owl import OwlBoxes

        return OwlBoxes.load(folder, device)
    if kind in DINO:
        from refseg_ros.backbones.grounding_dino import DinoBoxes

        return DinoBoxes.load(folder, device, DINO[kind])
    if kind in KINDS_OF_TEXT:
        from refseg_ros.backbones.sam3 import load_concepts

        return load_concepts(folder, device=device)
    raise WeightsError(
        f"{folder} holds a {kind!r} network; proposals.detector is one of "
        f"{', '.join(('owlv2', *DINO, *KINDS_OF_TEXT))}"
    )


DINO: Final = {"grounding-dino": "GroundingDino", "mm-grounding-dino": "MMGroundingDino"}
"""By ``model_type``: the name, without ``ForObjectDetection``, of the transformers class."""


def _points(config: ProposalConfig) -> str:
    """How masks are prompted where the detector is left aside."""
    return "grid" if config.prompts == "none" else config.prompts


def _architecture(name: str) -> str:
    """A published architecture's name as it is, a description's place as an existing path."""
    return str(resolve(name)) if name.endswith(".json") else name


def _check_folder(folder: Path, config: ProposalConfig) -> None:
    if config.architecture != "auto":
        raise ConfigError(
            f"proposals.architecture: {config.architecture!r} is a checkpoint of one file, and "
            f"{folder} is a folder, which says what it holds; use auto"
        )
    read_settings(folder)
