# SPDX-License-Identifier: Apache-2.0
"""A small Idefics3 (the class of SmolVLM's kind) with random weights and a chat template."""

from __future__ import annotations

from pathlib import Path

import torch

from refseg_ros.backbones import torchvision_compat

SPECIAL = ["<pad>", "</s>", "<unk>", "<image>", "<fake_token_around_image>", "<global-img>"]
WORDS = [*SPECIAL, "User:", "Assistant:", *"0123456789", "a", "red", "blue", "mug"]
TEMPLATE = (
    "{% for turn in messages %}User:{% for part in turn['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)


def write_chat(folder: Path, template: str | None = TEMPLATE) -> Path:
    """Saves network and processor as `save_pretrained` does."""
    torchvision_compat.ensure()
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    table = {word: row for row, word in enumerate(WORDS)}
    split = Tokenizer(models.WordLevel(table, unk_token="<unk>"))
    split.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=split,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=SPECIAL[3:],
    )
    side = {"longest_edge": 32}
    pixels = transformers.Idefics3ImageProcessorPil(
        size=side, max_image_size=side, do_image_splitting=False
    )
    processor = transformers.Idefics3Processor(
        pixels, tokenizer, image_seq_len=4, chat_template=template
    )
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    eyes = {**size, "intermediate_size": 16, "image_size": 32, "patch_size": 8}
    text = {
        **{**size, "model_type": "llama", "num_key_value_heads": 2, "intermediate_size": 16},
        **{"vocab_size": len(WORDS), "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1},
        "max_position_embeddings": 256,
    }
    config = transformers.Idefics3Config(
        vision_config=eyes, text_config=text, image_token_id=3, scale_factor=2, pad_token_id=0
    )
    torch.manual_seed(0)
    transformers.Idefics3ForConditionalGeneration(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
