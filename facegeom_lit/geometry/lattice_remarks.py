"""What of a lattice does not count, and why, in words."""

from __future__ import annotations

from facegeom_lit.geometry.lattice_geometry import LatticeGeometry


def lattice_remarks(measured: LatticeGeometry) -> list[str]:
    """Say how many curves and identities are left out; a remark for all attributes it is true of.

    Only identities that have curves of an attribute are counted as lacking its energy.
    """
    main = measured.rules[0]
    remarks: dict[str, list[str]] = {}
    for attribute, found in measured.by_attribute.items():
        curves, people = int(found.curves.sum()), int((found.curves > 0).sum())
        cases = [(int(found.dropped.sum()), f"of {curves} curves have no displacement; left out")]
        for rule in measured.rules:
            under = "" if rule == main else f" under {rule}"
            isolated = int(found.isolated[rule].sum())
            undefined = int(found.energy[rule][found.curves > 0].isnan().sum())
            cases += [
                (isolated, f"of {curves} curves have no neighbour{under}; left out"),
                (undefined, f"of {people} identities have no defined energy{under}; left out"),
            ]
        for count, text in cases:
            if count:
                remarks.setdefault(f"{count} {text}", []).append(attribute)
    return [f"{text} ({', '.join(attributes)})" for text, attributes in remarks.items()]
