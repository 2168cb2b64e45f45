"""Random pipelines of the real classes, small enough to run in a second."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import torch

WIDTH = 32  # of the text encoder, so of the cross-attention
FACE = 16  # numbers of a face's embedding


def seeded(make: Any, *args: Any, **kwargs: Any) -> Any:
    torch.manual_seed(0)
    return make(*args, **kwargs).eval()


def tokenizer() -> Any:
    from transformers import CLIPTokenizer

    letters = string.ascii_lowercase + "-,{}"
    words = [*letters, *(f"{letter}</w>" for letter in letters), "id</w>"]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=[("i", "d</w>")], model_max_length=77)


def _text_config() -> Any:
    from transformers import CLIPTextConfig

    size = len(tokenizer())
    return CLIPTextConfig(
        vocab_size=size,
        hidden_size=WIDTH,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=WIDTH,
        bos_token_id=size - 2,
        eos_token_id=size - 1,
        pad_token_id=size - 1,
    )


def text_encoder() -> Any:
    from transformers import CLIPTextModel

    return seeded(CLIPTextModel, _text_config())


def unet(**changes: Any) -> Any:
    from diffusers import UNet2DConditionModel

    values = {
        "block_out_channels": (32, 64, 64),
        "layers_per_block": 1,
        "sample_size": 8,
        "down_block_types": (
            "CrossAttnDownBlock2D",
            "CrossAttnDownBlock2D",
            "CrossAttnDownBlock2D",
        ),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 8,
        "norm_num_groups": 8,
    }
    return seeded(UNet2DConditionModel, **(values | changes))


def autoencoder(**changes: Any) -> Any:
    from diffusers import AutoencoderKL

    values = {
        "block_out_channels": (8, 8, 8, 8),  # eight pixels a latent, as the real one
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "sample_size": 64,
    }
    return seeded(AutoencoderKL, **(values | changes))


def stable_diffusion(name: str, folder: Path, **changes: Any) -> Path:
    """Save a pipeline of the Stable Diffusion 1.x kind."""
    import diffusers

    pipeline = getattr(diffusers, name)(
        vae=autoencoder(),
        text_encoder=text_encoder(),
        tokenizer=tokenizer(),
        unet=unet(**changes),
        scheduler=diffusers.DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def stable_diffusion_xl(folder: Path) -> Path:
    import diffusers
    from transformers import CLIPTextModelWithProjection

    pipeline = diffusers.StableDiffusionXLPipeline(
        vae=autoencoder(),
        text_encoder=text_encoder(),
        text_encoder_2=seeded(CLIPTextModelWithProjection, _text_config()),
        tokenizer=tokenizer(),
        tokenizer_2=tokenizer(),
        unet=unet(
            block_out_channels=(32, 64),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=2 * WIDTH,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + WIDTH,
            use_linear_projection=True,
        ),
        scheduler=diffusers.EulerDiscreteScheduler(timestep_spacing="leading"),
        add_watermarker=False,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def flux_kontext(folder: Path) -> Path:
    import diffusers
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

    words = {word: n for n, word in enumerate(["<pad>", "</s>", *string.ascii_lowercase])}
    characters = Tokenizer(models.WordLevel(words, unk_token="</s>"))
    characters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    second = PreTrainedTokenizerFast(
        tokenizer_object=characters, pad_token="<pad>", eos_token="</s>", model_max_length=64
    )
    config = T5Config(
        vocab_size=len(words), d_model=WIDTH, d_ff=37, d_kv=8, num_layers=1, num_heads=4
    )
    pipeline = diffusers.FluxKontextPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=autoencoder(
            latent_channels=4, shift_factor=0.0, scaling_factor=1.0, use_quant_conv=False
        ),
        text_encoder=text_encoder(),
        tokenizer=tokenizer(),
        text_encoder_2=seeded(T5EncoderModel, config),
        tokenizer_2=second,
        transformer=seeded(
            diffusers.FluxTransformer2DModel,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            pooled_projection_dim=WIDTH,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=True,
        ),
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def ip_adapter(folder: Path, *, face_id: bool) -> Path:
    """Save an adapter of the layout of h94/IP-Adapter, or of h94/IP-Adapter-FaceID."""
    from safetensors.torch import save_file
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    generator = torch.Generator().manual_seed(0)

    def weight(*shape: int) -> torch.Tensor:
        return 0.3 * torch.randn(shape, generator=generator)

    if face_id:
        state = {
            "image_proj.proj.0.weight": weight(2 * FACE, FACE),
            "image_proj.proj.0.bias": weight(2 * FACE),
            "image_proj.proj.2.weight": weight(4 * WIDTH, 2 * FACE),
            "image_proj.proj.2.bias": weight(4 * WIDTH),
        }
    else:
        state = {
            "image_proj.proj.weight": weight(4 * WIDTH, FACE),
            "image_proj.proj.bias": weight(4 * WIDTH),
        }
    state |= {"image_proj.norm.weight": torch.ones(WIDTH), "image_proj.norm.bias": weight(WIDTH)}
    attention = [name for name in unet().attn_processors if name.endswith("attn2.processor")]
    layers = dict(unet().named_modules())
    for number, name in enumerate(attention):
        width = layers[name.removesuffix(".processor")].to_q.in_features
        for part in ("k", "v"):
            state[f"ip_adapter.{2 * number + 1}.to_{part}_ip.weight"] = weight(width, WIDTH)
    (folder / "models").mkdir(parents=True)
    save_file(state, folder / "models" / "adapter.safetensors")
    if not face_id:
        config = CLIPVisionConfig(
            hidden_size=WIDTH,
            intermediate_size=37,
            num_hidden_layers=1,
            num_attention_heads=4,
            image_size=32,
            patch_size=8,
            projection_dim=FACE,
        )
        encoder = seeded(CLIPVisionModelWithProjection, config)
        encoder.save_pretrained(folder / "models" / "image_encoder")
    return folder


def arc2face(folder: Path) -> Path:
    """Save the parts of the layout of FoivosPar/Arc2Face."""
    unet().save_pretrained(folder / "arc2face")
    text_encoder().save_pretrained(folder / "encoder")
    return folder


def face_model(folder: Path) -> Path:
    """Save a random face model of this project."""
    from facegeom_lit.models.backbones import build_backbone
    from facegeom_lit.models.card import ModelCard
    from facegeom_lit.models.face_model import FaceModel
    from facegeom_lit.models.storage import save_face_model

    card = ModelCard("tiny", "mobilefacenet", FACE, {"width": 0.25, "dimension": FACE})
    torch.manual_seed(0)
    backbone = build_backbone(card.architecture, **card.arguments)
    save_face_model(FaceModel(backbone, card), folder)
    return folder
