"""Settings that Hydra's grammar would not take as they come from the shell."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException


def quoted(overrides: Sequence[str]) -> list[str]:
    """Put quotes around values that cannot be parsed without: paths with `~`, accents, brackets.

    Args:
        overrides: `key=value` settings.

    Example:
        >>> quoted(["seed=1", "output=~/café (new)"])
        ['seed=1', "output='~/café (new)'"]
    """
    parser = OverridesParser.create()
    return [override if _parses(parser, override) else _quote(override) for override in overrides]


def _parses(parser: OverridesParser, override: str) -> bool:
    try:
        parser.parse_override(override)
    except HydraException:
        return False
    return True


def _quote(override: str) -> str:
    key, separator, value = override.partition("=")
    # What begins as a list or a mapping is meant as one: its error is for the user to see.
    if not separator or key.startswith("-") or value.startswith(("[", "{", '"', "'")):
        return override
    escaped = value.replace("'", "\\'")
    return f"{key}='{escaped}'"
