from __future__ import annotations

import numpy as np
import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.templates import listed_scores, template_embeddings, template_rows


@pytest.mark.parametrize("weighed", [False, True])
def test_sums_of_media_means_by_a_loop(weighed: bool) -> None:
    g = torch.Generator().manual_seed(0)
    embeddings = torch.randn(60, 5, generator=g)
    templates = torch.randint(100, 110, (60,), generator=g)
    media = torch.randint(3, (60,), generator=g)
    weights = torch.rand(60, generator=g) if weighed else None
    numbers, found = template_embeddings(embeddings, templates, media, weights)
    assert numbers.tolist() == sorted(set(templates.tolist()))
    images = embeddings.double().numpy()
    if weights is not None:
        images = images * weights.numpy()[:, None]
    for number, row in zip(numbers.tolist(), found.numpy(), strict=True):
        of_template = templates.numpy() == number
        total = np.zeros(5)
        for medium in set(media.numpy()[of_template]):
            total += images[of_template & (media.numpy() == medium)].mean(0)
        np.testing.assert_allclose(row, total / np.linalg.norm(total), atol=1e-6)


def test_rows_and_scores() -> None:
    numbers, points = torch.tensor([3, 7, 9]), torch.eye(3)
    rows = template_rows(numbers, torch.tensor([[9, 3], [7, 7]]), "the pair list")
    assert rows.tolist() == [[2, 0], [1, 1]]
    assert listed_scores(rows[:, 0], rows[:, 1], points).tolist() == [0.0, 1.0]
    with pytest.raises(FaceGeomError, match=r"the pair list names 2 templates .* template 4"):
        template_rows(numbers, torch.tensor([4, 3, 99]), "the pair list")


def test_bad_input_is_named() -> None:
    one = torch.ones(2, dtype=torch.long)
    with pytest.raises(FaceGeomError, match="value for each of the 3"):
        template_embeddings(torch.ones(3, 2), one, one)
    with pytest.raises(FaceGeomError, match=r"1 of 1 templates sum to zero .* template 1"):
        template_embeddings(torch.ones(2, 2), one, one, torch.zeros(2))
