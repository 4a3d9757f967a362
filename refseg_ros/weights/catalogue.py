# SPDX-License-Identifier: Apache-2.0
"""Published checkpoints by name: files, sizes, checksums, licences, and what memory they take."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

HUB = "https://huggingface.co"
"""Where model pages are, unless ``HF_ENDPOINT`` names a mirror of them."""
_SAM = "https://dl.fbaipublicfiles.com/segment_anything"
_MOBILE = "https://github.com/ChaoningZhang/MobileSAM"


@dataclass(frozen=True)
class File:
    """One file of a checkpoint.

    Attributes:
        path: Its place in the checkpoint's folder; "" if the checkpoint is this file.
        address: Where it is published; for a model page the part after the hub's address.
        size: Bytes; rounded where the page rounds.
        sha256: Lower-case hexadecimal, where it is published; else "".
        optional: Whether no network needs it: it is downloaded with the others, never missed.
    """

    path: str
    address: str
    size: int
    sha256: str = ""
    optional: bool = False

    def url(self, name: str) -> str:
        """Address to fetch it from.

        ``REFSEG_MIRROR`` is the address of a folder laid out as the cache, and comes first; the
        hub's files come from ``HF_ENDPOINT`` where it is set.

        Args:
            name: The checkpoint's name.
        """
        mirror = os.environ.get("REFSEG_MIRROR", "").rstrip("/")
        if mirror:
            return "/".join(part for part in (mirror, name, self.path) if part)
        if "://" in self.address:
            return self.address
        return f"{(os.environ.get('HF_ENDPOINT') or HUB).rstrip('/')}/{self.address}"


@dataclass(frozen=True)
class Published:
    """A published checkpoint.

    Attributes:
        name: Its place below the cache folder; a file or a folder.
        source: Page on which its owner publishes it.
        licence: SPDX-like name of the licence of the weights.
        parameters: Numbers in the network, in millions, rounded.
        files: What it consists of.
        gated: What its owner asks for before it can be fetched; "" for nothing.
    """

    name: str
    source: str
    licence: str
    parameters: float
    files: tuple[File, ...]
    gated: str = ""

    @property
    def size(self) -> float:
        """Gigabytes to download, rounded."""
        return round(sum(file.size for file in self.files) / 1e9, 2)

    @property
    def memory(self) -> float:
        """Gigabytes of the weights in float32, in which they are held; activations come on top."""
        return round(self.parameters * 4 / 1e3, 2)

    def place(self, file: File, cache: Path) -> Path:
        """Where one of its files lies.

        Args:
            file: One of :attr:`files`.
            cache: The cache folder.
        """
        return cache / self.name / file.path if file.path else cache / self.name

    def missing(self, cache: Path) -> tuple[File, ...]:
        """The files that are not there.

        Args:
            cache: The cache folder.
        """
        return tuple(file for file in self.files if not self.place(file, cache).is_file())


def _file(
    name: str, source: str, address: str, parameters: float, size: int, sha: str
) -> Published:
    return Published(name, source, "Apache-2.0", parameters, (File("", address, size, sha),))


def _sam(name: str, parameters: float, size: int, sha: str) -> Published:
    page = "https://github.com/facebookresearch/segment-anything"
    return _file(name, page, f"{_SAM}/{name}", parameters, size, sha)


def _page(
    name: str,
    repository: str,
    licence: str,
    parameters: float,
    files: dict[str, int],
    revision: str = "main",
    sha256: dict[str, str] | None = None,
    gated: str = "",
) -> Published:
    """A folder that is a copy of a model page; a named revision does not change."""
    listed = tuple(
        File(
            path,
            f"{repository}/resolve/{revision}/{path}",
            size,
            (sha256 or {}).get(path, ""),
            # Tokenizer and preset say the same.
            path.endswith(("special_tokens_map.json", "open_clip_config.json")),
        )
        for path, size in files.items()
    )
    return Published(name, f"{HUB}/{repository}", licence, parameters, listed, gated)


def _clip(name: str, page: str, parameters: float, size: int, revision: str = "main") -> Published:
    files = {"open_clip_config.json": 600, "open_clip_model.safetensors": size}
    return _page(name, page, "MIT", parameters, files, revision)


def _sam2(name: str, parameters: float, size: int) -> Published:
    files = {"config.json": 4_000, "model.safetensors": size}
    return _page(name, f"facebook/{name}", "Apache-2.0", parameters, files)


_BLIP2 = {
    "config.json": 6_960,
    "merges.txt": 456_000,
    "model-00001-of-00002.safetensors": 10_000_000_000,
    "model-00002-of-00002.safetensors": 5_500_000_000,
    "model.safetensors.index.json": 127_000,
    "preprocessor_config.json": 432,
    "special_tokens_map.json": 548,
    "tokenizer.json": 2_100_000,
    "tokenizer_config.json": 904,
    "vocab.json": 798_000,
}
_BLIP = {
    "config.json": 4_560,
    "model.safetensors": 990_000_000,
    "preprocessor_config.json": 287,
    "special_tokens_map.json": 125,
    "tokenizer.json": 711_000,
    "tokenizer_config.json": 506,
    "vocab.txt": 232_000,
}
_DINO = {
    "config.json": 1_600,
    "model.safetensors": 689_000_000,
    "preprocessor_config.json": 457,
    "tokenizer.json": 711_000,
    "tokenizer_config.json": 1_200,
}
_SAM3 = {
    "config.json": 26_000,
    "model.safetensors": 3_440_000_000,
    "processor_config.json": 1_000,
    "tokenizer.json": 3_640_000,
    "tokenizer_config.json": 800,
}
_DIFFUSION = {
    "model_index.json": 541,
    "scheduler/scheduler_config.json": 308,
    "text_encoder/config.json": 617,
    "text_encoder/model.safetensors": 492_000_000,
    "tokenizer/merges.txt": 525_000,
    "tokenizer/special_tokens_map.json": 472,
    "tokenizer/tokenizer_config.json": 806,
    "tokenizer/vocab.json": 1_060_000,
    "unet/config.json": 743,
    "unet/diffusion_pytorch_model.safetensors": 3_440_000_000,
    "vae/config.json": 547,
    "vae/diffusion_pytorch_model.safetensors": 335_000_000,
}

CATALOGUE: tuple[Published, ...] = (
    _sam(
        "sam_vit_h_4b8939.pth",
        641.1,
        2_564_550_879,
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
    ),
    _sam(
        "sam_vit_l_0b3195.pth",
        312.3,
        1_250_000_000,
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
    ),
    _sam(
        "sam_vit_b_01ec64.pth",
        93.7,
        375_000_000,
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
    ),
    _file(
        "mobile_sam.pt",
        _MOBILE,
        f"{_MOBILE}/raw/f706ad9c4eb7f219c00d9050e46328518ffb65d2/weights/mobile_sam.pt",
        9.8,
        40_728_226,
        "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
    ),
    _sam2("sam2.1-hiera-tiny", 38.96, 156_000_000),
    _sam2("sam2.1-hiera-large", 224.4, 898_000_000),
    _page(
        "edgetam",
        "yonigozlan/EdgeTAM-hf",
        "Apache-2.0",
        13.91,
        {"config.json": 4_000, "model.safetensors": 55_900_000},
    ),
    _page("grounding-dino-tiny", "IDEA-Research/grounding-dino-tiny", "Apache-2.0", 172.25, _DINO),
    _page(
        "sam3",
        "facebook/sam3",
        "SAM License",
        859.92,
        _SAM3,
        gated="sign in on its page, accept the SAM License there and wait for approval; then set "
        "HF_TOKEN to a read token of that account",
    ),
    _clip(
        "clip_vit_b_32_openai",
        "timm/vit_base_patch32_clip_224.openai",
        151.3,
        605_000_000,
        "ab5b8ef490e86faa07d3523926b842c765de1de5",
    ),
    _clip("clip_vit_b_16_openai", "timm/vit_base_patch16_clip_224.openai", 149.6, 599_000_000),
    _clip("clip_rn50_openai", "timm/resnet50_clip.openai", 102.0, 408_000_000),
    _clip(
        "clip_vit_l_14_336_openai", "timm/vit_large_patch14_clip_336.openai", 427.9, 1_710_000_000
    ),
    _page(
        "blip2-opt-2.7b",
        "Salesforce/blip2-opt-2.7b",
        "MIT",
        3744.8,
        _BLIP2,
        "51572668da0eb669e01a189dc22abe6088589a24",
        {
            "model-00001-of-00002.safetensors": (
                "81b77c37224d4f5ba35295c122e614e30ee8312bb5ca60eb0859749a09bb8c37"
            )
        },
    ),
    _page(
        "blip-image-captioning-base",
        "Salesforce/blip-image-captioning-base",
        "BSD-3-Clause",
        224.0,
        _BLIP,
        "9cfcdbcaccbcadb2b53b36d4b50042c4eeaa0c25",
    ),
    _page(
        "stable-diffusion-v1-5",
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "CreativeML Open RAIL-M",
        1066.2,
        _DIFFUSION,
    ),
)
"""Checkpoints known by name and not bundled: those of the presets, and smaller SAMs."""


def find(name: str) -> Published | None:
    """The checkpoint that a name, or a place in its folder, belongs to.

    Args:
        name: A name as presets have it, such as ``mobile_sam.pt``.
    """
    first = name.split("/")[0]
    return next((item for item in CATALOGUE if item.name == first), None)
