from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis.prior.identity_space import IdentitySpace, other_image_templates
from facegeom_lit.synthesis.renderer import FaceRenderer


def test_rendered_people_are_those_of_the_renderer() -> None:
    codes = IdentitySpace().draw([7, 8])
    torch.testing.assert_close(codes / 3**0.5, FaceRenderer().identity([7, 8]))
    many = IdentitySpace().draw(range(2000))
    torch.testing.assert_close(many.mean(), torch.tensor(0.0), atol=0.01, rtol=0)
    torch.testing.assert_close(many.std(), torch.tensor(1.0), atol=0.01, rtol=0)
    with pytest.raises(FaceGeomError, match="knows the renderer's people only"):
        IdentitySpace().of_templates(torch.zeros(1, 4))


def test_whitening_is_that_of_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    templates = torch.randn(200, 12, generator=generator) @ torch.randn(12, 12, generator=generator)
    space = IdentitySpace.fit(templates, 5)
    found = space.of_templates(templates).numpy()
    expected = PCA(5, whiten=True).fit_transform(templates.double().numpy())
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-4)
    np.testing.assert_allclose(found.std(0, ddof=1), 1, rtol=1e-4)


def test_a_saved_space_is_the_same(tmp_path: Path) -> None:
    space = IdentitySpace.fit(torch.randn(50, 8), 3, model="abc")
    space.save_pretrained(tmp_path)
    again = IdentitySpace.from_pretrained(tmp_path)
    assert torch.equal(again.basis, space.basis)
    assert again.config.model == "abc"
    assert torch.equal(again.draw([4, 9])[1], space.draw([9])[0])


def test_a_template_leaves_its_own_image_out() -> None:
    embeddings = torch.randn(7, 4)
    labels = torch.tensor([0, 1, 0, 1, 1, 0, 1])
    found = other_image_templates(embeddings, labels)
    units = torch.nn.functional.normalize(embeddings, dim=1)
    for row in range(7):
        others = [i for i in range(7) if labels[i] == labels[row] and i != row]
        torch.testing.assert_close(found[row], units[others].mean(0))
