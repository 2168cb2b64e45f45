"""What a map keeps of the source's attribute geometry, on the judging people (GEOMETRY §1, §2).

Mapped embeddings are measured as they are used: in the target's space, under the target's distance.
A centred map moves the origin there, so even an orthogonal one keeps a cosine geometry only about;
without centring, or under the Euclidean distance, it keeps it exactly.
"""

from __future__ import annotations

import torch
from torch import Tensor

from facegeom_lit.evaluation.alignment.pair import Pair
from facegeom_lit.evaluation.alignment.result import Survival
from facegeom_lit.evaluation.alignment.section_settings import SurvivalSettings, chosen_map
from facegeom_lit.evaluation.alignment.sets import AlignmentSet
from facegeom_lit.evaluation.alignment.settings import AlignmentSettings
from facegeom_lit.evaluation.lattices import LatticeCurves
from facegeom_lit.geometry.lattice_geometry import lattice_geometry
from facegeom_lit.geometry.macroscale.modalities import WITH, WITHOUT, modalities
from facegeom_lit.geometry.macroscale.people import People
from facegeom_lit.geometry.macroscale.row import FEWEST_IDENTITIES
from facegeom_lit.geometry.macroscale.sampling import Modality
from facegeom_lit.geometry.macroscale.separation import modality_statistics
from facegeom_lit.geometry.points import Distance

WITHIN = ("energy", "response")
"""Measures along curves, within people."""
ACROSS = ("ks_mean", "ks_excess")
"""Measures of a labelled attribute, across people. The second is the first less what the same
images give where they are dealt out at random: the fewer people have an attribute, the larger a KS
is by chance, in every model alike."""

Values = dict[tuple[str, str], float | None]
"""(attribute, measure) → value; None where it is undefined."""


def survival(pair: Pair, settings: AlignmentSettings) -> list[Survival]:
    """Energy and response along curves, and KS of labelled attributes: native, and mapped.

    The energy is of the default neighbourhood, a ball of 0.6 mean distances; values along curves
    are means over people.

    The same curves, and for KS the same drawn images, are measured in all three.
    """
    wanted = settings.survival
    choice = chosen_map(settings.maps, wanted.map)
    found = []
    for data in pair.sets:
        for source, target in pair.directions:
            if wanted.pairs is not None and (source, target) not in wanted.pairs:
                continue
            own, native = (_native(data, model, settings) for model in (source, target))
            if not own:
                continue
            x, y = pair.spaces(data, source)
            points = pair.map(data, source, choice)(data.judging.of(x))
            mapped = _geometry(data, points, y.distance, wanted, settings.seed)
            found += [
                Survival(
                    source, target, data.name, choice.name, *key, own[key], native[key], mapped[key]
                )
                for key in own
            ]
    return found


def survival_notes(data: AlignmentSet, settings: AlignmentSettings) -> list[str]:
    """Attributes of a set whose geometry cannot be measured, for want of people."""
    curves, levels, few = _curves(data, settings.survival), _levels(data, settings.survival), []
    people = _people(data)
    for name, level in levels.items():
        if (found := _fewest(people, level)) < FEWEST_IDENTITIES:
            few.append(f"{name} ({found})")
    notes = []
    if few:
        notes.append(
            f"{data.name}: no KS through maps of attributes with or without which fewer than "
            f"{FEWEST_IDENTITIES} people judge (how many do): {', '.join(few)}"
        )
    if curves is not None:
        counts = ", ".join(f"{name} {len(rows)}" for name, rows in curves.rows.items())
        notes.append(f"{data.name}: curves of people who judge: {counts}")
    return notes


def _native(data: AlignmentSet, model: str, settings: AlignmentSettings) -> Values:
    space = data.spaces[model]
    return data.once(
        ("geometry", space.hash, settings.survival, settings.seed),
        lambda: _geometry(
            data, data.judging.of(space), space.distance, settings.survival, settings.seed
        ),
    )


def _geometry(
    data: AlignmentSet, points: Tensor, distance: Distance, wanted: SurvivalSettings, seed: int
) -> Values:
    """Measure embeddings of the judging images, (J, D)."""
    values: Values = {}
    if (curves := _curves(data, wanted)) is not None:
        geometry = lattice_geometry(
            points, curves.rows, curves.identity, distance=distance, null_permutations=0, bins=1
        )
        values |= {(a, m): geometry.mean(m, a) for a in curves.rows for m in WITHIN}
    people = _people(data)
    for name, level in _levels(data, wanted).items():
        if _fewest(people, level) >= FEWEST_IDENTITIES:
            positive, negative = (Modality(people, level == side) for side in (WITH, WITHOUT))
            drawn = modality_statistics(
                points,
                positive,
                negative,
                min(wanted.per_modality, positive.identities, negative.identities),
                distance=distance,
                draws=wanted.draws,
                null=True,
                seed=seed,
            )
            assert drawn.null is not None
            ks, by_chance = float(drawn.statistics.mean()), float(drawn.null.mean())
            values |= {(name, ACROSS[0]): ks, (name, ACROSS[1]): ks - by_chance}
    return values


def _curves(data: AlignmentSet, wanted: SurvivalSettings) -> LatticeCurves | None:
    """The curves of the judging people, as rows of the judging images."""
    if data.curves is None:
        return None
    place = torch.full((len(data.labels),), -1)
    place[data.judging.rows] = torch.arange(len(data.judging.rows))
    rows, identity = {}, {}
    for name, every in data.curves.rows.items():
        placed = place[every]
        judge = (placed >= 0).all(dim=1)
        if bool(judge.any()) and (wanted.attributes is None or name in wanted.attributes):
            rows[name], identity[name] = placed[judge], data.curves.identity[name][judge]
    return LatticeCurves(rows, identity, data.curves.people) if rows else None


def _levels(data: AlignmentSet, wanted: SurvivalSettings) -> dict[str, Tensor]:
    """Level of each judging image, in the order of their people, by attribute."""
    if data.labelled is None:
        return {}
    rows = data.judging.rows[_people(data).order]
    return {
        name: found.level[rows]
        for name, values in data.labelled.values.items()
        if (wanted.attributes is None or name in wanted.attributes)
        and (found := modalities(values)) is not None
    }


def _people(data: AlignmentSet) -> People:
    return People.of(data.judging.labels)


def _fewest(people: People, level: Tensor) -> int:
    """People with an image of a side, of the side with fewer."""
    return min(len(people.owner[level == side].unique()) for side in (WITH, WITHOUT))
