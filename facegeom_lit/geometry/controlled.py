"""Fields whose answer is known by construction, to hold the measures against (GEOMETRY §1).

Base points and fields are made apart, so that any field can stand on any points. All displacements
have length 1 (the energy does not see lengths; multiply for another response) and are float64. With
`u` a field's directions, its energy is one minus the mean of `u_c·u_c'` over neighbours: what a
construction says about `u_c·u_c'` is what each docstring says about the energy.

Source: the controlled models of arXiv 2507.11372; spins on a lattice for the rest.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import Distance, check_distance, normalized

JITTER = 1e-8
"""Added to the diagonal of a covariance, so that close points do not make it singular."""


def gaussian_cloud(curves: int, dimension: int, generator: Generator) -> Tensor:
    """Base points of a standard normal distribution, (C, D)."""
    return torch.randn(curves, dimension, generator=generator, dtype=torch.float64)


def sphere_cloud(curves: int, dimension: int, generator: Generator) -> Tensor:
    """Base points spread evenly over the unit sphere, (C, D): also D-dimensional directions."""
    return normalized(gaussian_cloud(curves, dimension, generator))


def flat_cloud(
    curves: int, dimension: int, rank: int, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Base points that fill a cube of few dimensions evenly: rank 1 is a segment, 2 a square.

    The cube stands at distance 1 from the origin, so that directions tell its points apart too.

    Args:
        curves: C.
        dimension: D, above `rank`.
        rank: Dimensions of the cube.
        generator: Of the chance.

    Returns:
        Base points, shape (C, D), and their coordinates in [0, 1], shape (C, rank). Euclidean
        distances are those between coordinates.

    Raises:
        FaceGeomError: When the cube does not fit.
    """
    axes = _frame(rank + 1, dimension, generator)
    inside = torch.rand(curves, rank, generator=generator, dtype=torch.float64)
    return inside @ axes[:rank] + axes[rank], inside


def ring(curves: int, dimension: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Base points that stand evenly spaced on a great circle of the unit sphere.

    It has no ends, so whatever depends on the angle alone is the same at every point. Points an
    angle φ apart have the cosine distance `1 − cos φ` and the Euclidean one `2 sin(φ/2)`.

    Args:
        curves: C.
        dimension: D, at least 2.
        generator: Of the circle's plane.

    Returns:
        Base points, shape (C, D), and their angles in radians, shape (C,).

    Raises:
        FaceGeomError: When the circle does not fit.
    """
    angles = torch.arange(curves, dtype=torch.float64) * (2 * math.pi / curves)
    return rotating_field(angles, dimension, generator), angles


def constant_field(curves: int, dimension: int, generator: Generator) -> Tensor:
    """One direction everywhere: every `u_c·u_c'` is 1, so energy 0 and order parameter 1."""
    return _frame(1, dimension, generator).expand(curves, -1)


def random_field(curves: int, dimension: int, generator: Generator) -> Tensor:
    """Independent directions: each `u_c·u_c'` has mean 0 and variance 1/D, so energy 1 on average.

    The variance of the energy is `random_energy_variance`; the order parameter's mean square is
    1/C.
    """
    return sphere_cloud(curves, dimension, generator)


def random_energy_variance(weights: Tensor, dimension: int) -> float:
    """Variance of the energy of `random_field`.

    With `p_cc'` the share of neighbour c' in the mean over neighbours of c, the energy is
    `1 − Σ p_cc' u_c·u_c' / C`. Products of two different pairs are uncorrelated and each has the
    variance 1/D, so the variance is `Σ_{c<c'} (p_cc' + p_c'c)² / (C² D)`. Where everybody is
    everybody's neighbour that is `2 / (C (C − 1) D)`.

    Args:
        weights: Of the neighbours of each curve, shape (C, C), ≥ 0, zero on the diagonal; a curve
            without a neighbour is left out, as in the energy.
        dimension: D.

    Example:
        >>> everybody = 1 - torch.eye(5)
        >>> round(random_energy_variance(everybody, dimension=2) * 5 * 4 * 2, 6)
        2.0
    """
    totals = weights.double().sum(dim=1, keepdim=True)
    share = (weights.double() / totals).nan_to_num(nan=0.0)
    connected = int((totals > 0).sum())
    return float((share + share.T).triu(1).square().sum()) / (connected**2 * dimension)


def mixed_field(curves: int, dimension: int, angle: float, generator: Generator) -> Tensor:
    """`cos θ` of one direction and `sin θ` of an independent one, at right angles to it.

    `u_c·u_c' = cos²θ + sin²θ r_c·r_c'` with independent directions r of D − 1 dimensions: the
    energy is `1 − cos²θ` on average, its variance `sin⁴θ` times that of a random field of D − 1
    dimensions. The order parameter is `√(cos²θ + sin²θ / C)`, in the root mean square.

    Args:
        curves: C.
        dimension: D, at least 2.
        angle: θ in radians: 0 constant, π/2 random.
        generator: Of the chance.

    Returns:
        Shape (C, D).

    Raises:
        FaceGeomError: When D is less than 2.
    """
    return _around(_frame(1, dimension, generator)[0], curves, angle, generator)


def rotating_field(phase: Tensor, dimension: int, generator: Generator) -> Tensor:
    """A direction that turns in a plane: `u_c·u_c' = cos(phase_c − phase_c')`, exactly.

    - Phase `w φ` on a `ring` (winding number w): with m neighbours on either side the energy is
      `1 − Σ_{j ≤ m} cos(2π w j / C) / m`. At cosine distance d, C = T_w(1 − d), Chebyshev's
      polynomial. The order parameter is 0.
    - Phase `k x` along a segment (wavelength 2π/k): C(r) = cos(k r), and the energy of a ball of
      radius R is `1 − sin(k R) / (k R)` away from the ends.
    - Phase `k x` in a square, x one of its coordinates: C(r) = J₀(k r), Bessel's function, and
      `1 − 2 J₁(k R) / (k R)` away from the rim.
    - Phase `k x` in a Gaussian cloud: over all pairs `x − x'` is normal with variance 2, so the
      energy of a ball that holds everybody is `1 − exp(−k²)` on average.

    Args:
        phase: Angle of each direction in radians, shape (C,).
        dimension: D, at least 2.
        generator: Of the plane.

    Returns:
        Shape (C, D).

    Raises:
        FaceGeomError: When D is less than 2.
    """
    turning = torch.stack([phase.cos(), phase.sin()], dim=1).double()
    return turning @ _frame(2, dimension, generator)


def smooth_field(base: Tensor, length: float, dimension: int, generator: Generator) -> Tensor:
    """A Gaussian random field of directions with a correlation length.

    Each component is a normal process over the base points with covariance
    `ρ = exp(−r² / 2ℓ²)`, r the Euclidean distance; then every displacement is brought to length 1.
    For large D, C = ρ, which falls to 1/e at r = ℓ√2; on the unit sphere, at cosine distance
    d = r²/2, C = exp(−d / ℓ²) falls to 1/e at d = ℓ². For any D (the mean of a sample correlation
    about known means) `C = ρ (2/D) [Γ((D+1)/2) / Γ(D/2)]² ₂F₁(½, ½; D/2 + 1; ρ²)`. The energy is
    one minus the mean of C over neighbours. The field costs C² numbers and C³ operations.

    Args:
        base: Base points, shape (C, D').
        length: ℓ > 0, a Euclidean distance.
        dimension: D of the field; D' where it is to stand at these points.
        generator: Of the chance.

    Returns:
        Shape (C, D).

    Raises:
        FaceGeomError: When ℓ is not positive.

    Source:
        Rasmussen and Williams, Gaussian Processes for Machine Learning, §A.2; Hotelling (1953)
        for the mean of a sample correlation.
    """
    if not length > 0:
        raise FaceGeomError(f"Argument `length` must be > 0, got {length}.")
    covariance = torch.cdist(base.double(), base.double()).div_(length).square_().mul_(-0.5).exp_()
    covariance.diagonal().add_(JITTER)
    noise = torch.randn(len(base), dimension, generator=generator, dtype=torch.float64)
    return normalized(torch.linalg.cholesky(covariance) @ noise)


def opposed_field(side: Tensor, dimension: int, generator: Generator) -> Tensor:
    """Two domains of opposite directions: `u_c·u_c'` is 1 within a domain and −1 across the wall.

    The energy is twice the share of neighbours across. Two equal domains have order parameter 0
    and, where everybody is everybody's neighbour, energy `C / (C − 1)`. Two halves of a `ring`
    with m neighbours on either side: `2 (m + 1) / C`, all of it from the m points next to a wall.

    Args:
        side: Whether each curve is in the second domain, shape (C,), bool.
        dimension: D.
        generator: Of the direction.

    Returns:
        Shape (C, D).
    """
    return torch.where(side, -1.0, 1.0).double().unsqueeze(1) * _frame(1, dimension, generator)


def fields_at_angles(
    cosines: Tensor, curves: int, dimension: int, generator: Generator, *, coherent: bool = False
) -> Tensor:
    """Fields of several attributes with given angles between them at every base point.

    `cos(v^a_c, v^b_c)` is `cosines[a, b]` everywhere, so the interaction matrix is
    `1 − cosines`, exactly. The energy of each field says nothing of that: it is 0 with `coherent`
    and 1 on average without.

    Args:
        cosines: Between attributes, shape (A, A): symmetric, positive definite, ones on the
            diagonal.
        curves: C.
        dimension: D, at least A.
        generator: Of the chance.
        coherent: The same directions at every base point; else independent ones.

    Returns:
        Shape (A, C, D).

    Raises:
        FaceGeomError: When the cosines fit no directions, or D is less than A.
    """
    cosines = cosines.double()
    factor, failed = torch.linalg.cholesky_ex(cosines)
    if failed or not torch.allclose(cosines.diagonal(), torch.ones(len(cosines)).double()):
        raise FaceGeomError(
            "Argument `cosines` must be positive definite with ones on its diagonal, got "
            f"{cosines.tolist()}."
        )
    frames = _frames(1 if coherent else curves, len(cosines), dimension, generator)
    return (factor @ frames).transpose(0, 1).expand(-1, curves, -1)


def leaking_field(direction: Tensor, curves: int, leakage: float, generator: Generator) -> Tensor:
    """Displacements towards and away from somebody, at one angle to their direction.

    `|cos|` with the direction is the leakage, exactly. The sign is a coin's, and so the energy is
    1 on average: a field can push faces towards somebody else without being aligned.

    Args:
        direction: From an identity's centre to the nearest other one, shape (D,), not zero.
        curves: C.
        leakage: In [0, 1].
        generator: Of the chance.

    Returns:
        Shape (C, D).

    Raises:
        FaceGeomError: When the leakage is outside [0, 1], or D is less than 2.
    """
    if not 0 <= leakage <= 1:
        raise FaceGeomError(f"Argument `leakage` must be from 0 to 1, got {leakage}.")
    towards = normalized(direction.double().unsqueeze(0))[0]
    heads = torch.rand(curves, 1, generator=generator) < 0.5
    return _around(towards, curves, math.acos(leakage), generator) * torch.where(heads, 1.0, -1.0)


def curve_embeddings(base: Tensor, field: Tensor, distance: Distance = "cosine") -> Tensor:
    """Embeddings of the three steps of curves that have these base points and this field.

    `central_field` of the result is the base points (brought to length 1 for the cosine) and the
    field, exactly: for the cosine the two ends are placed on the sphere, a displacement apart.

    Args:
        base: Base points, shape (C, D).
        field: Displacements, shape (C, D); shorter than 2 for the cosine, as the sphere is.
        distance: The model's own distance.

    Returns:
        Shape (C, 3, D), float64.

    Raises:
        FaceGeomError: When a displacement does not fit on the sphere.
    """
    check_distance(distance)
    base, half = base.double(), field.double() / 2
    middle = base
    if distance == "cosine":
        base = normalized(base)
        squares = half.square().sum(dim=1, keepdim=True)
        if not bool((squares < 1).all()):
            raise FaceGeomError("Displacements between unit embeddings must be shorter than 2.")
        unit = normalized(half)
        across = base - (base * unit).sum(dim=1, keepdim=True) * unit
        middle = (1 - squares).sqrt() * normalized(across)
    return torch.stack([middle - half, base, middle + half], dim=1)


def _frame(count: int, dimension: int, generator: Generator) -> Tensor:
    """Random unit vectors at right angles to each other, (count, D)."""
    return _frames(1, count, dimension, generator)[0]


def _frames(many: int, count: int, dimension: int, generator: Generator) -> Tensor:
    """Several such frames, (many, count, D)."""
    if not 0 < count <= dimension:
        raise FaceGeomError(
            f"{count} directions at right angles do not fit into {dimension} dimensions."
        )
    drawn = torch.randn(many, dimension, count, generator=generator, dtype=torch.float64)
    turned, upper = torch.linalg.qr(drawn)
    # The factorisation chooses signs that prefer some directions: without them all are alike.
    return (turned * upper.diagonal(dim1=1, dim2=2).sign().unsqueeze(1)).mT


def _around(direction: Tensor, curves: int, angle: float, generator: Generator) -> Tensor:
    """Unit vectors at one angle to a unit vector (D,), otherwise independent, (C, D)."""
    if len(direction) < 2:
        raise FaceGeomError("Directions at an angle to each other need at least 2 dimensions.")
    drawn = gaussian_cloud(curves, len(direction), generator)
    across = normalized(drawn - (drawn @ direction).unsqueeze(1) * direction)
    return math.cos(angle) * direction + math.sin(angle) * across
