"""The console script: `facegeom NAME [key=value ...]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from facegeom_lit import __version__
from facegeom_lit.commands.errors import reporting_errors
from facegeom_lit.commands.quiet import quiet
from facegeom_lit.commands.quoting import quoted
from facegeom_lit.resources import resource

# Name → one line of help. Each is a module here (its dashes turned into underscores) with
# `main(overrides)` and, beside it, the configuration conf/<module>.yaml; it is imported when it is
# run, so that help comes at once.
COMMANDS = {
    "generate": "make a face set: training faces, a lattice, or faces for verification",
    "embed": "write the embeddings of a set as a gallery: .safetensors, .parquet, .npz, .npy",
    "evaluate": "measure face models on pairs, faces or templates, or the quality of a synthesis",
    "analyze": "measure the attribute geometry of face models, within and across identities",
    "align": "fit maps between the spaces of face models, and judge them on other people",
    "convert": "write faces in another format: .rec, .bin, Parquet, identity folders",
    "crop": "cut aligned crops out of photos",
    "check-crops": "tell whether crops are aligned to the ArcFace template",
    "import": "read published weights as a face model, and say what they are",
    "probe": "tell whether a card is likely wrong about colour order or normalisation",
    "export": "write a face model as ONNX or pack for InsightFace, or for arcface_torch",
    "migrate": "turn an enrolled gallery of an old face model into a new one's, by a fitted map",
    "report": "join finished runs: what each objective changed, and which moves its target most",
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
        files = sorted(resource("conf").glob(f"{_module(name)}*.yaml"))  # evaluate has two
        settings = "\n".join(file.read_text(encoding="utf-8") for file in files)
        print(f"facegeom {name} [key=value ...]: {COMMANDS[name]}\n\n{settings}", end="")
        return 0
    quiet()
    reporting_errors(_run)(name, quoted(overrides))
    return 0


def _run(name: str, overrides: list[str]) -> None:
    import_module(f"facegeom_lit.commands.{_module(name)}").main(overrides)


def _module(name: str) -> str:
    # `import` is a keyword, which no module that is imported plainly can be called.
    return {"import": "import_model"}.get(name, name.replace("-", "_"))


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {line}" for name, line in COMMANDS.items()]
    usage = "usage: facegeom NAME [key=value ...]    (facegeom NAME --help lists the keys)"
    return "\n".join([usage, "", *lines])


if __name__ == "__main__":
    sys.exit(main())
