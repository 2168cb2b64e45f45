from __future__ import annotations

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.backbones.arcface_vit import ArcFaceViT


def test_training_hides_a_share_of_the_patches() -> None:
    torch.manual_seed(0)
    vit = ArcFaceViT(16, channels=16, depth=1, mask_ratio=0.25)
    seen: list[int] = []
    vit.blocks[0].register_forward_hook(lambda _, args, out: seen.append(args[0].shape[1]))
    tokens: list[torch.Tensor] = []
    vit.feature.register_forward_hook(lambda _, args, out: tokens.append(args[0].detach()))
    vit(torch.randn(2, 3, 112, 112))
    assert seen == [108]
    hidden = (tokens[0].view(2, 144, 16) == vit.mask_token).all(-1)
    assert hidden.sum(1).tolist() == [36, 36]
    assert not torch.equal(hidden[0], hidden[1])  # each image loses patches of its own
    vit.eval()(torch.randn(2, 3, 112, 112))
    assert seen[-1] == 144


def test_kept_patches_stay_in_their_places() -> None:
    """Without blocks and norm every token depends on its own patch alone."""
    vit = ArcFaceViT(16, channels=16, depth=0, mask_ratio=0.5)
    images = torch.randn(2, 3, 112, 112)
    with torch.no_grad():
        whole = vit.norm(vit.patch_embed(images) + vit.pos_embed)
        tokens = vit._masked(vit.patch_embed(images) + vit.pos_embed, vit.mask_token)
    hidden = (tokens == vit.mask_token).all(-1)
    torch.testing.assert_close(tokens[~hidden], whole[~hidden])


def test_unmasked_training_needs_no_mask_token() -> None:
    vit = ArcFaceViT(16, channels=16, depth=1, mask_ratio=0)
    assert "mask_token" not in vit.state_dict()
    vit(torch.randn(2, 3, 112, 112)).sum().backward()
    assert all(parameter.grad is not None for parameter in vit.parameters())


def test_training_is_repeatable_under_a_seed() -> None:
    vit = ArcFaceViT(16, channels=16, depth=1)
    images = torch.randn(2, 3, 112, 112)
    outs = []
    for _ in range(2):
        torch.manual_seed(5)
        outs.append(vit(images))
    assert torch.equal(outs[0], outs[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"heads": 3}, "heads"), ({"patch": 113}, "patch"), ({"mask_ratio": 1.0}, "mask_ratio")],
)
def test_arguments_out_of_range(arguments: dict, message: str) -> None:
    with pytest.raises(FaceGeomError, match=f"`{message}`"):
        ArcFaceViT(channels=32, depth=1, **arguments)
