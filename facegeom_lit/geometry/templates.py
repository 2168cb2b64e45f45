"""Templates: several images and video frames of one person as one embedding (GEOMETRY §4)."""

from __future__ import annotations

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import blocks, check_points, normalized


def template_embeddings(
    embeddings: Tensor, templates: Tensor, media: Tensor, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Sum of the means of each template's media, the protocol of IJB-B and IJB-C.

    Frames of one video are one medium, so that a long video does not outweigh a photo. The
    length of an embedding, which grows with the quality of its image, counts as a weight unless
    the embeddings come normalised.

    Args:
        embeddings: Of images, shape (N, D).
        templates: Template of each image, int64 (N,).
        media: Medium of each image, int64 (N,); the same number in another template is another.
        weights: Of each image, such as the detector's score, shape (N,); None: 1.

    Returns:
        Numbers of the templates, increasing, (T,); their embeddings of length 1, (T, D), float32.

    Raises:
        FaceGeomError: When shapes differ, a row is not finite, or a template sums to zero.

    Source: Whitelam et al., IARPA Janus Benchmark-B, CVPR Workshops 2017, §4; the layout of
        InsightFace's `eval_ijbc.py` (`image2template_feature`).

    Example:
        >>> images = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> template_embeddings(images, torch.tensor([5, 5, 5]), torch.tensor([1, 1, 2]))[1]
        tensor([[0.7071, 0.7071]])
    """
    check_points("embeddings", embeddings)
    vectors = [templates, media] if weights is None else [templates, media, weights]
    if any(vector.shape != embeddings.shape[:1] for vector in vectors):
        raise FaceGeomError(
            f"`templates`, `media` and `weights` must hold a value for each of the "
            f"{len(embeddings)} embeddings, got shapes {[tuple(v.shape) for v in vectors]}."
        )
    images = embeddings.double()
    if weights is not None:
        images = images * weights.double().unsqueeze(1)
    of_media, place = torch.stack([templates, media], dim=1).unique(dim=0, return_inverse=True)
    means = images.new_zeros(len(of_media), images.shape[1]).index_add_(0, place, images)
    means /= torch.bincount(place).unsqueeze(1)
    numbers, place = of_media[:, 0].unique(return_inverse=True)
    sums = images.new_zeros(len(numbers), images.shape[1]).index_add_(0, place, means)
    empty = int((sums == 0).all(dim=1).sum())
    if empty:
        raise FaceGeomError(
            f"{empty} of {len(numbers)} templates sum to zero (first: template "
            f"{int(numbers[(sums == 0).all(dim=1)][0])}). Look at the weights of their images."
        )
    return numbers, normalized(sums).float()


def template_rows(numbers: Tensor, wanted: Tensor, name: str) -> Tensor:
    """Rows of templates in what `template_embeddings` returned.

    Args:
        numbers: The templates that there are, increasing, (T,).
        wanted: Templates to be found, any shape.
        name: What the message calls them.

    Raises:
        FaceGeomError: When a template has no image.
    """
    rows = torch.searchsorted(numbers, wanted.contiguous()).clamp(max=len(numbers) - 1)
    absent = wanted[numbers[rows] != wanted]
    if len(absent):
        raise FaceGeomError(
            f"{name} names {len(absent.unique())} templates without an image, e.g. template "
            f"{int(absent[0])}. The lists are not of one protocol, or images were left out."
        )
    return rows


def listed_scores(left: Tensor, right: Tensor, embeddings: Tensor) -> Tensor:
    """Cosine of listed pairs of rows, a few at a time.

    Args:
        left: Row of the first of each pair, (P,).
        right: Row of the second, (P,).
        embeddings: Rows of length 1, (T, D).

    Returns:
        float32 (P,).
    """
    return torch.cat(
        [
            (embeddings[left[part]] * embeddings[right[part]]).sum(dim=1)
            for part in blocks(len(left), 2**16)
        ]
    ).float()
