# SPDX-License-Identifier: Apache-2.0
"""Every method's features from timm's ViTs: shapes of SigLIP 2, PE-Core and MobileCLIP2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.errors import ConfigError, WeightsError

torchvision_compat.ensure()
import open_clip  # noqa: E402

CPU = torch.device("cpu")
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
TOWERS = {
    "siglip2": ("vit_base_patch16_siglip_224", "map", "none"),
    "pe_core": ("vit_pe_core_base_patch16_224", "map", "linear"),
    "mobileclip2": ("vit_base_mci_224", "token", "linear"),
    "average": ("vit_base_patch16_siglip_gap_224", "avg", "linear"),
}
IMAGE = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
MASKS = np.zeros((3, 60, 90), np.bool_)
MASKS[0, :30, :45] = MASKS[1, 30:, 45:] = MASKS[2] = True


def encoder(name: str) -> ClipEncoder:
    """A tower of that kind, thinner and with one or two blocks."""
    tower, pool, proj = TOWERS[name]
    sizes = {"depth": 2}
    if name != "mobileclip2":  # its stem of convolutions is of one width
        sizes |= {"embed_dim": 64, "num_heads": 4}
    vision: dict[str, Any] = {
        "timm_model_name": tower,
        "timm_pool": pool,
        "timm_proj": proj,
        "image_size": 224,
    }
    import timm

    original = timm.create_model

    def smaller(model: str, *args: Any, **options: Any) -> Any:
        return original(model, *args, **{**options, **sizes})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timm, "create_model", smaller)
        torch.manual_seed(0)
        model = open_clip.CustomTextCLIP(
            embed_dim=64, vision_cfg=open_clip.CLIPVisionCfg(**vision), text_cfg=TEXT
        )
    open_clip.model.set_model_preprocess_cfg(
        model, {"mean": (0.5,) * 3, "std": (0.5,) * 3, "size": (224, 224)}
    )
    preprocess = open_clip.image_transform(224, is_train=False)
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    return ClipEncoder(model.eval(), preprocess, tokenizer, CPU)


@pytest.mark.parametrize("name", sorted(TOWERS))
def test_masks_within_the_image(name: str) -> None:
    clip = encoder(name)
    found = clip.encode_masked(IMAGE, MASKS, 1)
    assert found.shape == (3, clip.dimension)
    assert found.isfinite().all()
    assert not torch.allclose(found[0], found[1])
    # The mask of everything is the image as it is, seen whole.
    whole = clip._model.encode_image(clip._whole(IMAGE, (224, 224)))  # type: ignore[operator]
    assert torch.allclose(found[2], whole[0], atol=1e-4)


@pytest.mark.parametrize("name", ["siglip2", "pe_core", "average"])
def test_patches_of_a_mask_and_single_ones(name: str) -> None:
    clip = encoder(name)
    found = clip.encode_attending(IMAGE, MASKS)
    whole = clip._model.encode_image(clip._whole(IMAGE, (224, 224)))  # type: ignore[operator]
    # The mask of everything is the image, but for a token that PE-Core pools beside the patches.
    assert torch.allclose(found[2], whole[0], atol=1e-4) == (name != "pe_core")
    assert not torch.allclose(found[0], found[1])
    dense = clip.encode_dense(IMAGE)
    assert dense.shape == (14, 14, clip.dimension)
    assert torch.allclose(dense.norm(dim=-1), torch.ones(14, 14), atol=1e-4)
    assert not torch.allclose(dense[0, 0], dense[13, 13])


def test_a_class_token_that_cannot_be_confined_is_refused() -> None:
    clip = encoder("mobileclip2")
    for call in (lambda: clip.encode_attending(IMAGE, MASKS), lambda: clip.encode_dense(IMAGE)):
        with pytest.raises(ConfigError, match="that pools its patches, not one that pools by"):
            call()


def test_a_tokenizer_is_never_downloaded(tmp_path: Path) -> None:
    path = tmp_path / "open_clip_model.safetensors"
    path.touch()
    with pytest.raises(WeightsError, match="put the page into a folder and name that"):
        ClipEncoder.load("ViT-B-16-SigLIP2", path, device=CPU)
