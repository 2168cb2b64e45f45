"""What the prior is told about a face: who it is, and the value of every attribute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError


def condition_vector(
    codes: Tensor, attributes: Tensor, known_identity: Tensor, known_attributes: Tensor
) -> Tensor:
    """Return the condition (B, K + A + 2) of the network.

    Each part stands beside a flag that says whether it is known; an unknown part is zero. Both
    are left out at random in training, and separately, which is what makes classifier-free
    guidance by identity and by attributes two knobs (Brooks et al., CVPR 2023, section 3.2.1).

    Args:
        codes: (B, K) identity codes.
        attributes: (B, A) attribute values, scaled to [-1, 1].
        known_identity: (B,) 1 where the identity is told, else 0.
        known_attributes: (B,) 1 where the attributes are told, else 0.
    """
    who, what = known_identity[:, None], known_attributes[:, None]
    return torch.cat((codes * who, who, attributes * what, what), dim=1)


class AttributeScale:
    """Attribute values in their own units to [-1, 1] over their range, and in a fixed order.

    Args:
        ranges: Name → (low, high), in the order of the columns.

    Example:
        >>> scale = AttributeScale({"age": (18, 80)})
        >>> scale([{"age": 80.0, "pose": 3.0}]).tolist()
        [[1.0]]
    """

    def __init__(self, ranges: Mapping[str, Sequence[float]]) -> None:
        self.ranges = {name: (float(low), float(high)) for name, (low, high) in ranges.items()}

    def __call__(self, values: Sequence[Mapping[str, float]]) -> Tensor:
        """Return (B, A) of one mapping from names to values for each face.

        Raises:
            FaceGeomError: When a value is missing.
        """
        if missing := [n for n in self.ranges if any(n not in row for row in values)]:
            raise FaceGeomError(f"The prior needs a value of {', '.join(missing)} for each face.")
        columns = [[float(row[name]) for name in self.ranges] for row in values]
        return self.rows(torch.tensor(columns).reshape(len(values), len(self.ranges)))

    def rows(self, values: Tensor) -> Tensor:
        """Scale values (N, A) that stand in the order of `ranges`."""
        low, high = torch.tensor(list(self.ranges.values())).reshape(-1, 2).T
        return (2 * values - low - high) / (high - low)
