from __future__ import annotations

import pytest

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.rules import rules_named


def test_labels_are_read_back() -> None:
    labels = ["ball_0.6", "ball_1", "knn_10", "inverse_distance"]
    rules = rules_named(labels)
    assert [rule.label for rule in rules] == labels
    assert [rule.name for rule in rules] == ["ball", "ball", "knn", "inverse_distance"]
    assert rules[0].radius == 0.6
    assert rules[2].k == 10
    assert rules_named(["ball_1.0"])[0].label == "ball_1"
    published = rules_named(labels, include_self=True, max_neighbors=100)
    assert all(rule.include_self for rule in published)
    assert [rule.max_neighbors for rule in published] == [100, 100, None, None]


UNKNOWN = ["ball", "ball_", "ball_x", "ball_0", "ball_-1", "ball_nan", "ball_inf", "ball_1_self"]
UNKNOWN += ["knn", "knn_0", "knn_1.5", "KNN_5", "knn_" + "9" * 30, "inverse_distance_2", ""]


@pytest.mark.parametrize("label", UNKNOWN)
def test_unknown_rules_are_refused(label: str) -> None:
    with pytest.raises(FaceGeomError, match="Unknown neighbourhood"):
        rules_named([label])


def test_a_rule_twice_is_refused() -> None:
    with pytest.raises(FaceGeomError, match="ball_1 comes twice"):
        rules_named(["ball_1", "ball_1.0"])
