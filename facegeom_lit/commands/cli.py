"""The console script: `facegeom NAME [key=value ...]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from facegeom_lit import __version__
from facegeom_lit.commands.errors import reporting_errors
from facegeom_lit.commands.quiet import quiet
from facegeom_lit.resources import resource

# Name → one line of help. Each is a module here with `main(overrides)` and, beside it, the
# configuration conf/<name>.yaml; it is imported when it is run, so that help comes at once.
COMMANDS = {
    "generate": "make a face set: training faces, a lattice, or faces for verification",
    "evaluate": "measure the quality of a synthesis: attributes, identity, variety, leakage",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: The command line without the program's name; default: `sys.argv`.

    Returns:
        Exit code: 0, or 2 for an unknown command.

    Raises:
        SystemExit: With code 1 after bad input (one message on stderr), 130 after Ctrl-C.
    """
    name, *overrides = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help"):
        print(_help())
        return 0
    if name == "--version":
        print(__version__)
        return 0
    if name not in COMMANDS:
        print(f"error: Unknown command {name!r}.\n\n{_help()}", file=sys.stderr)
        return 2
    if {"-h", "--help"} & set(overrides):
        settings = (resource("conf") / f"{name}.yaml").read_text(encoding="utf-8")
        print(f"facegeom {name} [key=value ...]: {COMMANDS[name]}\n\n{settings}", end="")
        return 0
    quiet()
    reporting_errors(_run)(name, overrides)
    return 0


def _run(name: str, overrides: list[str]) -> None:
    import_module(f"facegeom_lit.commands.{name}").main(overrides)


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {line}" for name, line in COMMANDS.items()]
    usage = "usage: facegeom NAME [key=value ...]    (facegeom NAME --help lists the keys)"
    return "\n".join([usage, "", *lines])


if __name__ == "__main__":
    sys.exit(main())
