from __future__ import annotations

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.identification import match_ranks
from facegeom_lit.geometry.open_set import keep_out, open_set_scores, tpir_at_fpir
from facegeom_lit.geometry.points import normalized


def test_open_set() -> None:
    gallery, labels = torch.eye(4), torch.arange(4)
    # Mated: two sure, one found at a low score, one mistaken. Strangers: scores 0.9 and about 0.5.
    probes = torch.tensor(
        [
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 0.95, 0.1, 0.0],
            [0.5, 0.5, 0.7, 0.0],
            [0.9, 0.0, 0.0, 0.1],
            [0.5, 0.5, 0.5, 0.5],
            [0.9, 0.43, 0.0, 0.0],
        ]
    )
    probe_labels = torch.tensor([0, 1, 2, 3, 77, 78])
    measured = tpir_at_fpir(gallery, labels, probes, probe_labels, [0.5, 0.9, 0.1])
    assert measured == {0.5: 0.75, 0.9: 0.75, 0.1: None}
    stricter = torch.cat([probes, probes[-1:], probes[-1:]])
    stricter_labels = torch.cat([probe_labels, torch.tensor([79, 80])])
    assert tpir_at_fpir(gallery, labels, stricter, stricter_labels, [0.3]) == {0.3: 0.5}


def test_probes_are_searched_in_blocks() -> None:
    """More probes than fit in one block, each named with its own person."""
    g = torch.Generator().manual_seed(0)
    gallery, labels = torch.randn(30, 8, generator=g), torch.arange(30)
    probe_labels = torch.randint(40, (2500,), generator=g)  # ten people are strangers
    wide = torch.cat([gallery, torch.randn(10, 8, generator=g)])
    probes = wide[probe_labels] + 0.8 * torch.randn(2500, 8, generator=g)
    found = open_set_scores(gallery, labels, probes, probe_labels)
    mated = probe_labels < 30
    scores = normalized(probes.double()) @ normalized(gallery.double()).T
    assert found.people.tolist() == probe_labels[mated].tolist()
    own = scores[mated].gather(1, probe_labels[mated].unsqueeze(1)).squeeze(1)
    torch.testing.assert_close(found.own, own)
    assert found.first.tolist() == (scores[mated].argmax(1) == probe_labels[mated]).tolist()
    strangers = scores[~mated].amax(1).sort(descending=True).values
    torch.testing.assert_close(found.strangers, strangers)
    threshold = strangers[int(0.05 * len(strangers))]
    assert found.tpir(0.05) == float((found.first & (own > threshold)).double().mean())
    ranks = match_ranks(gallery, labels, probes[mated], probe_labels[mated])
    assert ((ranks == 1) == found.first).all()


def test_keep_out() -> None:
    labels = torch.arange(40) % 10
    out = keep_out(labels, 0.3, seed=3)
    assert len(labels[out].unique()) == 3
    assert not set(labels[out].tolist()) & set(labels[~out].tolist())
    assert torch.equal(out, keep_out(labels, 0.3, seed=3))
    assert not torch.equal(out, keep_out(labels, 0.3, seed=4))
    with pytest.raises(FaceGeomError, match="two identities"):
        keep_out(torch.zeros(4), 0.5)


def test_bad_input_is_named() -> None:
    points, labels = torch.eye(4), torch.arange(4)
    with pytest.raises(FaceGeomError, match="with and without a mate"):
        tpir_at_fpir(points, labels, points, labels)
    with pytest.raises(FaceGeomError, match="between 0 and 1"):
        tpir_at_fpir(points, labels, points, labels + 2, [1.0])
