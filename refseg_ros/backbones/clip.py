# SPDX-License-Identifier: Apache-2.0
"""Image and text features through open_clip: published models and the bundled small one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.batches import Batches
from refseg_ros.backbones.clip_attending import attending_features, cell_size
from refseg_ros.backbones.clip_dense import dense_features
from refseg_ros.backbones.clip_masked import masked_features
from refseg_ros.backbones.clip_timm import is_timm_vit
from refseg_ros.backbones.remembered import Remembered
from refseg_ros.backbones.torchscript import is_torchscript, read_torchscript
from refseg_ros.errors import ConfigError, WeightsError
from refseg_ros.language import lemma

REMEMBERED = 2048
"""Texts whose features an encoder keeps: 4 MB of 512 numbers each."""
MERGES = "bpe.txt.gz"
"""File of byte-pair merges in a model folder that brings a vocabulary of its own."""


class ClipEncoder:
    """An open_clip model that answers with unit vectors."""

    def __init__(
        self,
        model: torch.nn.Module,
        preprocess: Callable[[Image.Image], torch.Tensor],
        tokenizer: Callable[[list[str]], torch.Tensor],
        device: torch.device,
        batch_size: int = 64,
        own_words: bool = False,
        remembered: int = REMEMBERED,
        dtype: torch.dtype | None = None,
    ) -> None:
        """Put loaded parts together; most callers want :meth:`load`.

        Args:
            model: An open_clip model on ``device``, in evaluation mode.
            preprocess: A PIL image to a (3, s, s) float32 tensor.
            tokenizer: Texts to (M, context) int64 token ids, cutting what is too long.
            device: Where the model is.
            batch_size: Crops, masks or texts encoded at a time.
            own_words: Whether the tokenizer has a small vocabulary of its own, in which each
                word that the model learnt is one token; else it may know any word.
            remembered: Texts whose features are kept.
            dtype: What the weights are converted to, and computed in whatever autocast says;
                None leaves them as they are. Features and their scale are float32 at any rate.
        """
        self._own_words = own_words
        self._texts = Remembered[torch.Tensor](remembered)
        self._words = Remembered[bool](REMEMBERED)
        self._model = model
        self._preprocess = preprocess
        self._tokenizer = tokenizer
        self._device = device
        self._crops = Batches(batch_size, "crops for CLIP")
        self._masks = Batches(batch_size, "masks for CLIP")
        self._strings = Batches(batch_size, "texts for CLIP")
        parameters = dict(model.named_parameters())
        self.logit_scale = float(parameters["logit_scale"].detach().exp())
        self._dtype = dtype
        if dtype is not None:
            model.to(dtype)
        with self._running():
            self.dimension = int(model.encode_text(tokenizer([""]).to(device)).shape[-1])  # type: ignore[operator]

    @classmethod
    def load(
        cls,
        model: str | Path,
        checkpoint: Path | None = None,
        *,
        device: torch.device,
        remembered: int = REMEMBERED,
        dtype: torch.dtype | None = None,
    ) -> ClipEncoder:
        """Load from local files; nothing is downloaded.

        Args:
            model: A folder with ``open_clip_config.json`` and ``open_clip_model.safetensors``
                (open_clip's own ``local-dir`` format), or an architecture that open_clip
                knows, such as ``ViT-B-32-quickgelu``.
            checkpoint: The weights of a named architecture.
            device: Where to put it.
            remembered: Texts whose features are kept.
            dtype: Of the weights; None is float32, computed as autocast says.

        Raises:
            WeightsError: A file is missing, damaged or of another architecture.
        """
        torchvision_compat.ensure()
        import open_clip

        folder = Path(model)
        tokenizer_options: dict[str, Any] = {}
        if folder.is_dir():
            _need(folder / "open_clip_config.json", folder / "open_clip_model.safetensors")
            name, pretrained = f"local-dir:{folder}", None
            if (folder / MERGES).exists():
                tokenizer_options["bpe_path"] = str(folder / MERGES)
        elif checkpoint is None:
            raise WeightsError(f"clip model {model}: no such folder, and no checkpoint was named")
        elif str(model) not in open_clip.list_models():
            raise WeightsError(
                f"clip model {str(model)!r} is neither a folder nor an architecture"
            )
        else:
            _need(checkpoint)
            told = open_clip.get_model_config(str(model)) or {}
            _check_activation(str(model), checkpoint, told)
            if told.get("text_cfg", {}).get("hf_tokenizer_name"):  # open_clip would download it
                raise WeightsError(
                    f"clip model {model}: its tokenizer is a file of its page; put the page into "
                    "a folder and name that as clip.model"
                )
            name, pretrained = str(model), str(checkpoint)
        try:
            archived = pretrained and is_torchscript(Path(pretrained))
            network, _, preprocess = open_clip.create_model_and_transforms(
                name, pretrained=None if archived else pretrained, device=device, weights_only=True
            )
            if archived and pretrained:
                network.load_state_dict(_openai_tensors(Path(pretrained)))
            tokenizer = open_clip.get_tokenizer(name, **tokenizer_options)
        except WeightsError:
            raise
        except (OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise WeightsError(f"clip model {model} cannot be loaded: {_short(error)}") from error
        except Exception as error:  # safetensors and pickle raise classes of their own
            raise WeightsError(f"clip model {model} is damaged: {_short(error)}") from error
        tokens, rows = getattr(tokenizer, "vocab_size", 0), getattr(network, "vocab_size", 0)
        if rows and tokens > rows:
            raise WeightsError(
                f"clip model {model}: its tokenizer has {tokens} tokens and its network {rows}; "
                f"a folder with a vocabulary of its own needs {MERGES}"
            )
        network.eval()
        own_words = bool(tokenizer_options)
        return cls(
            network,
            preprocess,
            tokenizer,
            device,
            own_words=own_words,
            remembered=remembered,
            dtype=dtype,
        )

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Without gradients, and without autocast where the weights have a type of their own."""
        own = torch.autocast(self._device.type, enabled=False) if self._dtype else nullcontext()
        with torch.inference_mode(), own:
            yield

    @property
    def visual(self) -> torch.nn.Module:
        """The image tower."""
        tower: torch.nn.Module = self._model.visual  # type: ignore[assignment]
        return tower

    @property
    def side(self) -> int:
        """Pixels along each side of a crop as the model sees it."""
        size: Any = self.visual.image_size
        return int(size if isinstance(size, int) else size[0])

    @cached_property
    def fingerprint(self) -> str:
        """Tells networks apart by some numbers of each of their tensors; 16 hexadecimal digits."""
        sums = hashlib.sha256()
        for name, values in sorted(self._model.state_dict().items()):
            flat = values.detach().flatten()
            some = torch.cat([flat[:64], flat[len(flat) // 2 :][:64]]).double().cpu()
            sums.update(f"{name} {tuple(values.shape)}".encode() + some.numpy().tobytes())
        return sums.hexdigest()[:16]

    def encode_images(
        self, images: Sequence[NDArray[np.uint8]], unit: bool = True
    ) -> torch.Tensor:
        """Features of images, each resized as the model was trained.

        Args:
            images: N arrays (h, w, 3) uint8 RGB of any size.
            unit: Whether they are L2-normalised.

        Returns:
            (N, D) float32 on the CPU.
        """
        with self._running():
            rows = self._crops.run(images, self._encode_crops)
        return self._unit(rows) if unit else self._joined(rows)

    def _encode_crops(self, images: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
        batch = torch.stack([self._preprocess(Image.fromarray(image)) for image in images])
        found: torch.Tensor = self._model.encode_image(batch.to(self._device, self._dtype))  # type: ignore[operator]
        return found

    def encode_masked(
        self, image: NDArray[np.uint8], masks: NDArray[np.bool_], blocks: int, side: int = 0
    ) -> torch.Tensor:
        """Features of masks that have seen the whole image; see :mod:`.clip_masked`.

        The image is squashed to a square and normalised by the model's own mean and deviation.

        Args:
            image: (H, W, 3) uint8 RGB.
            masks: (N, H, W).
            blocks: For a ViT, how many of the last blocks see only the mask.
            side: For a ResNet, the side of that square in pixels, in steps of 32; 0 is the model's
                own.

        Returns:
            (N, D) float32 on the CPU, not normalised.

        Raises:
            ConfigError: The model is no ViT or ResNet, or has fewer blocks, or a ViT another side.
        """
        visual: Any = self._model.visual
        own = visual.image_size if isinstance(visual.image_size, int) else visual.image_size[0]
        if side and side != own and not hasattr(visual, "attnpool"):
            raise ConfigError(f"global_local.side: a ViT sees {own} pixels, not {side}")
        size = side or own
        batch = self._whole(image, (size, size))
        return self._per_mask(masks, lambda part: masked_features(visual, batch, part, blocks))

    def encode_attending(
        self, image: NDArray[np.uint8], masks: NDArray[np.bool_], side: int = 0
    ) -> torch.Tensor:
        """Features of masks whose class token sees the mask alone; see :mod:`.clip_attending`.

        Args:
            image: (H, W, 3) uint8 RGB.
            masks: (N, H, W).
            side: Longer side at which the image is seen; 0 is its own. Sides are rounded to whole
                patches.

        Returns:
            (N, D) float32 on the CPU, not normalised.

        Raises:
            ConfigError: The model is no ViT or ResNet.
        """
        visual: Any = self._model.visual
        batch = self._whole(image, self._fitted_size(image, side))
        return self._per_mask(masks, lambda part: attending_features(visual, batch, part))

    def encode_dense(self, image: NDArray[np.uint8], side: int = 0) -> torch.Tensor:
        """Features of all places of an image; see :mod:`.clip_dense`.

        Args:
            image: (H, W, 3) uint8 RGB.
            side: See :meth:`encode_attending`.

        Returns:
            (h, w, D) float32 on the CPU, L2-normalised.

        Raises:
            ConfigError: The model is no ViT or ResNet.
        """
        visual: Any = self._model.visual
        size = self._fitted_size(image, side)
        with self._running():
            found = dense_features(visual, self._whole(image, size), cell_size(visual))
        return found.float().cpu()

    def _fitted_size(self, image: NDArray[np.uint8], side: int) -> tuple[int, int]:
        """Height and width in whole patches, of an image whose longer side is ``side``."""
        if is_timm_vit(self._model.visual):  # its positions are of one size
            own: tuple[int, int] = self._model.visual.image_size  # type: ignore[union-attr, assignment]
            return own
        cell, longer = cell_size(self._model.visual), max(image.shape[:2])
        height, width = (
            max(1, round(item * (side or longer) / longer / cell)) * cell
            for item in image.shape[:2]
        )
        return height, width

    def _whole(self, image: NDArray[np.uint8], size: tuple[int, int]) -> torch.Tensor:
        """(1, 3, height, width) of an image as the model takes it."""
        visual: Any = self._model.visual
        pixels = Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC)
        values = torch.from_numpy(np.asarray(pixels, np.float32) / 255).permute(2, 0, 1)
        mean, deviation = (
            torch.tensor(item, dtype=torch.float32)[:, None, None]
            for item in (visual.image_mean, visual.image_std)
        )
        return ((values - mean) / deviation)[None].to(self._device, self._dtype)

    def _per_mask(
        self, masks: NDArray[np.bool_], encode: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        def encode_some(part: NDArray[np.bool_]) -> torch.Tensor:
            return encode(torch.from_numpy(part.astype(np.float32)).to(self._device))

        with self._running():
            return self._joined(self._masks.run(masks, encode_some))

    def encode_texts(self, texts: Sequence[str], unit: bool = True) -> torch.Tensor:
        """Features of texts; what is longer than the model's context is cut.

        The features of the last texts are remembered: a robot is told the same
        words again and again, and captions of the next frame are mostly those of this one.

        Args:
            texts: M strings.
            unit: Whether they are L2-normalised.

        Returns:
            (M, D) float32 on the CPU.
        """
        known = self._texts.recall(texts, self._encode_new)
        rows = [torch.stack([known[text] for text in texts])] if texts else []
        return self._unit(rows) if unit else self._joined(rows)

    def _encode_new(self, texts: Sequence[str]) -> list[torch.Tensor]:
        def encode(part: Sequence[str]) -> torch.Tensor:
            tokens = self._tokenizer(list(part))
            found: torch.Tensor = self._model.encode_text(tokens.to(self._device))  # type: ignore[operator]
            return found

        with self._running():
            return list(self._joined(self._strings.run(texts, encode)).unbind())

    def forget(self) -> None:
        """Forget what texts and words were asked for; for measurements."""
        self._texts.clear()
        self._words.clear()

    def unknown_words(self, words: Sequence[str]) -> tuple[str, ...]:
        """Those of some words that the model has never seen; none for published models.

        A word counts as known in the singular or as it is said.

        Args:
            words: Single words, in any case.
        """
        if not self._own_words:
            return ()
        said = tuple(dict.fromkeys(word.lower() for word in words))
        known = self._words.recall(said, self._are_known)
        return tuple(word for word in said if not known[word])

    def _are_known(self, words: Sequence[str]) -> list[bool]:
        return [self._is_token(word) or self._is_token(lemma(word)) for word in words]

    def _is_token(self, word: str) -> bool:
        ids = self._tokenizer([word])[0]
        # Begin, the word, end, and padding of zeros.
        return int((ids != 0).sum()) == 3

    def _unit(self, rows: list[torch.Tensor]) -> torch.Tensor:
        return functional.normalize(self._joined(rows), dim=-1)

    def _joined(self, rows: list[torch.Tensor]) -> torch.Tensor:
        return torch.cat(rows).float().cpu() if rows else torch.zeros(0, self.dimension)


class NoClip(ClipEncoder):
    """The encoder where names alone decide: features have no dimension."""

    def __init__(self) -> None:
        """Load nothing."""
        self.logit_scale, self.dimension = 1.0, 0

    def encode_images(
        self, images: Sequence[NDArray[np.uint8]], unit: bool = True
    ) -> torch.Tensor:
        """(N, 0) of N images."""
        return torch.zeros(len(images), 0)

    def encode_texts(self, texts: Sequence[str], unit: bool = True) -> torch.Tensor:
        """(M, 0) of M texts."""
        return torch.zeros(len(texts), 0)

    def unknown_words(self, words: Sequence[str]) -> tuple[str, ...]:
        """None: no word is read."""
        return ()

    def forget(self) -> None:
        """Nothing is remembered."""


def _check_activation(model: str, checkpoint: Path, config: dict[str, Any]) -> None:
    """Refuse an architecture with another activation than the one that weights were trained with.

    Both load without a word, and the wrong one gives worse features. OpenAI's are of QuickGELU:
    those of a TorchScript archive, and those whose folder says so.
    """
    beside = checkpoint.with_name("open_clip_config.json")
    if is_torchscript(checkpoint):
        trained = True
    elif beside.is_file():
        _need(beside)
        told = json.loads(beside.read_text(encoding="utf-8")).get("model_cfg", {})
        trained = bool(told.get("quick_gelu", "quickgelu" in model))
    else:
        return
    if trained != bool(config.get("quick_gelu", False)):
        plain = model.removesuffix("-quickgelu")
        raise WeightsError(
            f"clip model {model}: {checkpoint} was trained with {'Quick' if trained else ''}GELU; "
            f"use clip.model: {plain + '-quickgelu' if trained else plain}"
        )


def _openai_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of OpenAI's archive, less the sizes that it keeps with them."""
    sizes = ("input_resolution", "context_length", "vocab_size", "attn_mask")
    tensors = read_torchscript(path)
    return {name: value for name, value in tensors.items() if name not in sizes}


def _need(*paths: Path) -> None:
    for path in paths:
        if not path.is_file():
            raise WeightsError(f"clip model: {path} does not exist")
        if path.suffix == ".json":
            try:
                json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise WeightsError(f"clip model: {path} is not JSON: {error}") from error


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
