# SPDX-License-Identifier: Apache-2.0
"""Latent diffusion networks that read text, through diffusers: what they attend to.

An image becomes a latent, gets noise, and is denoised for a step or two while the network reads a
sentence; its cross-attention says which places it looks up which word for. diffusers is an extra:
``pip install refseg_ros[diffusion]``.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.cross_attention import Maps, recorded
from refseg_ros.errors import ConfigError, WeightsError

PARTS: Final = ("vae", "unet", "text_encoder", "tokenizer", "scheduler")
"""Folders of a Stable Diffusion pipeline that are read."""
PREDICTIONS: Final = ("epsilon", "v_prediction")
"""What a network may make out: the noise, or the velocity (Salimans and Ho, 2022)."""


@dataclass(frozen=True)
class Noised:
    """An image on its way to noise: all that no sentence changes.

    Attributes:
        latent: (1, C, h, w) float32, noise added up to the first reverse step.
        times: Time steps still to go, the noisiest first.
        without: (1, C, h, w) noise that the network makes out at the first step without words;
            None where guidance is 1.
        maps: Its attention meanwhile; empty where guidance is 1.
        wordless: (1, L, D) what it attends to without words; None where guidance is 1.
    """

    latent: Tensor
    times: tuple[int, ...]
    without: Tensor | None
    maps: tuple[Maps, ...]
    wordless: Tensor | None


@dataclass(frozen=True)
class Attended:
    """Cross-attention of one reverse step.

    Attributes:
        told: With the sentence.
        untold: Without words, map by map as ``told``; empty where guidance is 1.
    """

    told: tuple[Maps, ...]
    untold: tuple[Maps, ...]


class Diffusion:
    """The parts of a Stable Diffusion pipeline that Ref-Diff needs."""

    def __init__(
        self,
        vae: Any,
        unet: Any,
        text_encoder: Any,
        tokenizer: Any,
        scheduler: Any,
        device: torch.device,
    ) -> None:
        """Put loaded parts together; most callers want :meth:`load`.

        Args:
            vae: An ``AutoencoderKL`` on ``device``.
            unet: A ``UNet2DConditionModel`` on ``device`` that makes out noise or velocity.
            text_encoder: A ``CLIPTextModel`` on ``device``.
            tokenizer: Its tokenizer.
            scheduler: A ``DDIMScheduler``.
            device: Where they are.

        Raises:
            WeightsError: The network makes out something else than noise or velocity.
        """
        kind = scheduler.config.prediction_type
        if kind not in PREDICTIONS:
            raise WeightsError(
                f"diffusion: prediction_type {kind!r} is not one of {', '.join(PREDICTIONS)}"
            )
        self._vae, self._unet = vae, unet
        self._text_encoder, self._tokenizer = text_encoder, tokenizer
        self._scheduler, self._device = scheduler, device
        # Recording changes the network while it runs, and threads may share it.
        self._busy = threading.Lock()
        self.encoded = 0
        """How many images became latents."""

    @classmethod
    def load(cls, folder: Path, *, device: torch.device) -> Diffusion:
        """Load from a local folder in diffusers' format; nothing is downloaded.

        Args:
            folder: With ``vae``, ``unet``, ``text_encoder``, ``tokenizer`` and ``scheduler``, as
                ``StableDiffusionPipeline.save_pretrained`` writes them; weights as safetensors.
            device: Where to put it.

        Raises:
            ConfigError: diffusers is not installed.
            WeightsError: A part is missing, damaged or of another architecture.
        """
        torchvision_compat.ensure()
        try:
            from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
        except ImportError as error:
            raise ConfigError(
                "ref_diff needs diffusers, which is not installed: pip install "
                "'refseg_ros[diffusion]'"
            ) from error
        import transformers

        transformers.utils.logging.disable_progress_bar()
        missing = [name for name in PARTS if not (folder / name).is_dir()]
        if missing:
            raise WeightsError(f"diffusion model {folder}: has no {', '.join(missing)}")
        networks = {
            "vae": AutoencoderKL,
            "unet": UNet2DConditionModel,
            "text_encoder": transformers.CLIPTextModel,
        }
        try:
            parts = {name: _network(kind, folder / name) for name, kind in networks.items()}
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                folder / "tokenizer", local_files_only=True, trust_remote_code=False
            )
            scheduler = DDIMScheduler.from_pretrained(folder / "scheduler", local_files_only=True)
        except WeightsError:
            raise
        except Exception as error:  # both libraries wrap file errors in classes of many packages
            detail = " ".join(str(error).split())[:300] or type(error).__name__
            raise WeightsError(f"diffusion model {folder} cannot be loaded: {detail}") from error
        parts = {name: part.to(device).eval() for name, part in parts.items()}
        return cls(**parts, tokenizer=tokenizer, scheduler=scheduler, device=device)

    @property
    def multiple(self) -> int:
        """What sides of an image must be divisible by, in pixels."""
        levels = len(self._unet.config.block_out_channels) - 1
        return int(self.factor * 2**levels)

    @property
    def factor(self) -> int:
        """Pixels of the image, along a side, for each place of the latent."""
        return int(2 ** (len(self._vae.config.block_out_channels) - 1))

    def noised(
        self, pixels: Tensor, steps: int, start: int, *, guided: bool, late: bool, seed: int
    ) -> Noised:
        """Encode an image and add noise.

        Args:
            pixels: (3, H, W) float32 in [0, 1], sides divisible by :attr:`multiple`.
            steps: DDIM steps from bare noise to an image.
            start: How many of them are to be done; the noise is that of the first of these.
            guided: Whether guidance will be used, so that attention without words is needed.
            late: Add the noise of one step before, as Ref-Diff's released code does.
            seed: The noise's seed; it gives the same noise for the same size.

        Raises:
            ConfigError: There are fewer steps than ``start``, or more than the schedule has.
        """
        times = self._times(steps)
        if not 1 <= start <= len(times):
            raise ConfigError(f"diffusion.start: {start} is not one of 1 to {len(times)}")
        self.encoded += 1
        with torch.inference_mode():
            batch = (2.0 * pixels - 1.0)[None].to(self._device)
            latent = self._vae.encode(batch).latent_dist.mode() * self._vae.config.scaling_factor
            # Drawn on the CPU, so that the noise is the same on every device.
            chance = torch.Generator().manual_seed(seed)
            noise = torch.randn(latent.shape, generator=chance).to(latent)
            level = min(start, len(times) - 1) if late else start - 1
            stamp = torch.tensor([times[level]], device=self._device)
            mixed = self._scheduler.add_noise(latent, noise, stamp)
            going = tuple(reversed(times[:start]))
            if not guided:
                return Noised(mixed, going, None, (), None)
            wordless = self.states([""])
            without, maps = self._predict(mixed, going[0], wordless)
        return Noised(mixed, going, without, maps, wordless)

    def attend(self, noised: Noised, text: str, guidance: float) -> tuple[Attended, ...]:
        """Denoise while reading a sentence.

        Args:
            noised: The image.
            text: The sentence; what is longer than the network's context is cut.
            guidance: What the noise made out with words counts over that without; used where
                ``noised`` was made for it.

        Returns:
            The attention of each step, in their order.
        """
        found: list[Attended] = []
        latent, without, untold = noised.latent, noised.without, noised.maps
        with torch.inference_mode():
            told_states = self.states([text])
            for number, time in enumerate(noised.times):
                if number == 0 or noised.wordless is None:
                    told, maps = self._predict(latent, time, told_states)
                else:  # both halves as one batch
                    both, maps = self._predict(
                        torch.cat([latent, latent]),
                        time,
                        torch.cat([noised.wordless, told_states]),
                    )
                    without, told = both[:1], both[1:]
                    untold = tuple(item.half(0) for item in maps)
                    maps = tuple(item.half(1) for item in maps)
                found.append(Attended(maps, untold))
                if number + 1 < len(noised.times):
                    guided = told if without is None else without + guidance * (told - without)
                    after = noised.times[number + 1]
                    latent = self._reversed(latent, guided, time, after)
        return tuple(found)

    def states(self, texts: Sequence[str]) -> Tensor:
        """What the network attends to: (N, L, D) states of the tokens, padded to its context."""
        tokens = self._tokenizer(
            list(texts),
            padding="max_length",
            max_length=self._context,
            truncation=True,
            return_tensors="pt",
        )
        states: Tensor = self._text_encoder(tokens.input_ids.to(self._device)).last_hidden_state
        return states

    def token(self, text: str, end: int) -> int:
        """Position of the token that ends at a letter of a text.

        Args:
            text: The text given to :meth:`attend`.
            end: Letters up to the end of a word.

        Returns:
            The row of its last token; of a word beyond the context, the last that is read.
        """
        ids = self._tokenizer(text[:end], truncation=True, max_length=self._context).input_ids
        return max(1, len(ids) - 2)

    @property
    def _context(self) -> int:
        return int(self._text_encoder.config.max_position_embeddings)

    def _times(self, steps: int) -> list[int]:
        """Time steps of DDIM from the last on: 1, 51, 101, … for 20 of 1000."""
        trained = int(self._scheduler.config.num_train_timesteps)
        if not 1 <= steps <= trained:
            raise ConfigError(f"diffusion.steps: {steps} is not one of 1 to {trained}")
        stride, shift = trained // steps, int(self._scheduler.config.steps_offset)
        return [min(index * stride + shift, trained - 1) for index in range(steps)]

    def _predict(
        self, latent: Tensor, time: int, states: Tensor
    ) -> tuple[Tensor, tuple[Maps, ...]]:
        """The noise that the network makes out, and its attention meanwhile."""
        with self._busy, recorded(self._unet) as maps:
            made = self._unet(latent, time, states).sample
        if self._scheduler.config.prediction_type == "v_prediction":
            alpha = self._scheduler.alphas_cumprod[time].to(latent)
            made = alpha.sqrt() * made + (1 - alpha).sqrt() * latent
        return made, tuple(maps)

    def _reversed(self, latent: Tensor, noise: Tensor, time: int, after: int) -> Tensor:
        """One deterministic step of DDIM (Song et al. 2021, equation 12 with sigma 0)."""
        alphas = self._scheduler.alphas_cumprod.to(latent)
        clean = (latent - (1 - alphas[time]).sqrt() * noise) / alphas[time].sqrt()
        return alphas[after].sqrt() * clean + (1 - alphas[after]).sqrt() * noise


def fitted(
    image: Tensor, side: int, multiple: int, *, square: bool
) -> tuple[Tensor, tuple[int, int, int, int]]:
    """An image at the size at which a diffusion network sees it.

    Args:
        image: (3, H, W) float32 in [0, 1].
        side: Longer side wanted, in pixels.
        multiple: What sides must be divisible by.
        square: Pad to a square with black, the image in the middle; else sides are rounded.

    Returns:
        (3, h, w) float32 in [0, 1], and the rows and columns of it that the image fills: top,
        bottom, left, right.
    """
    height, width = image.shape[1:]
    longer = max(height, width)
    whole = max(multiple, round(side / multiple) * multiple)
    if not square:
        size = [
            max(multiple, round(item * side / longer / multiple) * multiple)
            for item in (height, width)
        ]
        return _resized(image, size), (0, size[0], 0, size[1])
    size = [max(1, round(item * whole / longer)) for item in (height, width)]
    top, left = (whole - size[0]) // 2, (whole - size[1]) // 2
    made = image.new_zeros(3, whole, whole)
    made[:, top : top + size[0], left : left + size[1]] = _resized(image, size)
    return made, (top, top + size[0], left, left + size[1])


def _resized(image: Tensor, size: list[int]) -> Tensor:
    made = functional.interpolate(image[None], size, mode="bicubic", antialias=True)
    return made[0].clamp(0, 1)


def _network(kind: Any, folder: Path) -> Any:
    """A network of diffusers or transformers with all of its weights, in float32.

    Raises:
        WeightsError: The file lacks some, which the libraries would make up by chance.
    """
    model, report = kind.from_pretrained(
        folder,
        local_files_only=True,
        use_safetensors=True,
        low_cpu_mem_usage=False,
        output_loading_info=True,
    )
    missing = sorted(report["missing_keys"]) + sorted(map(str, report["mismatched_keys"]))
    if missing:
        raise WeightsError(f"{folder}: lacks {len(missing)} weights, such as {missing[0]}")
    return model.float()
