"""How much a pickle unfolds to, found without loading it.

A pickle may name one object many times. A tuple of two of the same tuple, sixty deep, takes some
hundred bytes, and whoever hashes or prints it never comes to an end.
"""

from __future__ import annotations

import pickletools
from typing import IO, Any

MOST = 10_000_000
"""Objects that one object may consist of; checkpoints have some ten thousand."""

_PUT = ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE")
_GET = ("GET", "BINGET", "LONG_BINGET")
_FILL = ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD")
_MARK = [0]


def unfolds(stream: IO[bytes]) -> bool:
    """Whether an object of the next pickle in a stream consists of more than `MOST` objects.

    Args:
        stream: Stands behind that pickle afterwards.

    Raises:
        Exception: When the pickle is damaged, of many kinds.
    """
    stack: list[list[int]] = []  # the size of each object, which grows in its memo entry too
    memo: dict[Any, list[int]] = {}
    for opcode, argument, _ in pickletools.genops(stream):
        name = opcode.name
        if name in _PUT:
            memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in _GET:
            stack.append(memo[argument])
        elif name == "DUP":
            stack.append(stack[-1])
        elif name == "MARK":
            stack.append(_MARK)
        else:
            taken = _take(stack, opcode)
            size = 1 + sum(part[0] for part in taken)
            if size > MOST:
                return True
            if name in _FILL and taken:
                taken[0][0] = size
                stack.append(taken[0])
            else:
                stack += [[size] for _ in opcode.stack_after]
    return False


def _take(stack: list[list[int]], opcode: pickletools.OpcodeInfo) -> list[list[int]]:
    """Take what an opcode uses off the stack, in order, without the mark."""
    before = list(opcode.stack_before)
    taken: list[list[int]] = []
    if pickletools.markobject in before:
        while (top := stack.pop()) is not _MARK:
            taken.append(top)
        before = before[: before.index(pickletools.markobject)]
    taken += [stack.pop() for _ in before]
    return taken[::-1]
