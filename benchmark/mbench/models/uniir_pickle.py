"""Pickles read without running anything in them.

A pickle is a program for a stack machine: it names functions of any module and calls them. `read_pickle` follows such
a program on a machine that imports nothing and calls nothing. A name stays a `Name`, a call stays a `Call`, what an
object would be told about its state is dropped. Whoever reads a format looks for the few calls that he knows.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, TypeGuard

LONGEST = 16 * 1024 * 1024
"""Bytes. Official checkpoints describe some thousand tensors in less than one MiB."""


@dataclass(frozen=True, slots=True)
class Name:
    """Something that the pickle wanted to import."""

    module: str
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A call that was not made. `entries` are what the pickle put into its result as if that were a dictionary."""

    target: object
    args: Any
    entries: dict[str | int, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A persistent id: something that lies outside of the pickle."""

    id: object


@dataclass(frozen=True, slots=True)
class Pickle:
    """What a pickle describes, and all references that occur in it, in their order."""

    root: object
    references: tuple[Reference, ...]


def read_pickle(stream: IO[bytes]) -> Pickle:
    """Read one pickle and leave `stream` behind its end.

    Raises ValueError, IndexError, KeyError, TypeError or EOFError for what is no well-formed pickle or too long.
    """
    machine = _Machine()
    limited: Any = _Limited(stream)
    for instruction, argument, _ in pickletools.genops(limited):
        if instruction.name == "STOP":
            return Pickle(machine.stack[-1], tuple(machine.references))
        _step(machine, instruction.name, argument)
    raise EOFError("the pickle has no end")


def call_of(value: object, module: str, *names: str) -> TypeGuard[Call]:
    """Tell whether `value` is a call of one of these functions, with its arguments in a tuple."""
    if not isinstance(value, Call) or not isinstance(value.args, tuple):
        return False
    target = value.target
    return isinstance(target, Name) and target.module == module and target.name in names


class _Limited:
    """A stream of bytes that gives up after the longest pickle."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.left = file, LONGEST

    def read(self, count: int) -> bytes:
        return self._counted(self.file.read(min(count, self.left + 1)))

    def readline(self) -> bytes:
        return self._counted(self.file.readline(self.left + 1))

    def _counted(self, content: bytes) -> bytes:
        self.left -= len(content)
        if self.left < 0:
            raise ValueError(f"its description is longer than {LONGEST} bytes")
        return content


class _Machine:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.references: list[Reference] = []

    def above_mark(self) -> list[Any]:
        """Take off what lies above the last mark, and the mark."""
        start = self.marks.pop()
        taken = self.stack[start:]
        del self.stack[start:]
        return taken


def _step(machine: _Machine, name: str, argument: Any) -> None:
    if name in CONSTANTS:
        machine.stack.append(argument)
    elif name in CALLS:
        args, target = _call_parts(machine, name, argument)
        machine.stack.append(Call(target, args))
    elif name in STEPS:
        STEPS[name](machine, argument)
    elif name not in WITHOUT_EFFECT:
        raise ValueError(f"it has the instruction {name}, which no file of weights needs")


def _call_parts(machine: _Machine, name: str, argument: Any) -> tuple[object, object]:
    if name == "INST":
        return tuple(machine.above_mark()), _name(argument)
    if name == "OBJ":
        target, *args = machine.above_mark()
        return tuple(args), target
    if name == "NEWOBJ_EX":
        machine.stack.pop()
    return machine.stack.pop(), machine.stack.pop()


def _name(written: str) -> Name:
    module, _, name = written.partition(" ")
    return Name(module, name)


def _global_from_stack(machine: _Machine, _: Any) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise TypeError("a name to import is not text")
    machine.stack.append(Name(module, name))


def _refer(machine: _Machine, found: object) -> None:
    machine.references.append(Reference(found))
    machine.stack.append(machine.references[-1])


def _pop(machine: _Machine, _: Any) -> None:
    if machine.marks and machine.marks[-1] == len(machine.stack):
        machine.marks.pop()
    else:
        machine.stack.pop()


def _extend(machine: _Machine, values: list[Any]) -> None:
    if isinstance(machine.stack[-1], list):
        machine.stack[-1].extend(values)


def _set(machine: _Machine, flat: list[Any]) -> None:
    target = machine.stack[-1]
    entries = target.entries if isinstance(target, Call) else target
    if isinstance(entries, dict):
        entries.update(_alternating(flat))


def _last(machine: _Machine, count: int) -> list[Any]:
    if len(machine.stack) < count:
        raise IndexError("an instruction finds too little on the stack")
    taken = machine.stack[-count:]
    del machine.stack[-count:]
    return taken


def _alternating(flat: list[Any]) -> dict[str | int, object]:
    """Pair the keys with the values between them; only plain keys, since hashing a nested tuple may take for ever."""
    return {key: value for key, value in zip(flat[::2], flat[1::2], strict=True) if isinstance(key, str | int)}


Step = Callable[[_Machine, Any], object]


def _pushing(made: Step) -> Step:
    return lambda machine, argument: machine.stack.append(made(machine, argument))


CALLS = frozenset({"REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "INST"})
WITHOUT_EFFECT = frozenset({"PROTO", "FRAME", "READONLY_BUFFER"})
CONSTANTS = frozenset(
    {
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "NONE"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING"),
        *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    }
)
"""Instructions that push their argument; that of NONE is None."""
STEPS: Mapping[str, Step] = {
    "NEWTRUE": _pushing(lambda machine, _: True),
    "NEWFALSE": _pushing(lambda machine, _: False),
    "EMPTY_LIST": _pushing(lambda machine, _: []),
    "EMPTY_SET": _pushing(lambda machine, _: []),
    "EMPTY_TUPLE": _pushing(lambda machine, _: ()),
    "EMPTY_DICT": _pushing(lambda machine, _: {}),
    "LIST": _pushing(lambda machine, _: machine.above_mark()),
    "TUPLE": _pushing(lambda machine, _: tuple(machine.above_mark())),
    "FROZENSET": _pushing(lambda machine, _: machine.above_mark()),
    "DICT": _pushing(lambda machine, _: _alternating(machine.above_mark())),
    "TUPLE1": _pushing(lambda machine, _: tuple(_last(machine, 1))),
    "TUPLE2": _pushing(lambda machine, _: tuple(_last(machine, 2))),
    "TUPLE3": _pushing(lambda machine, _: tuple(_last(machine, 3))),
    "GET": _pushing(lambda machine, place: machine.memo[place]),
    "BINGET": _pushing(lambda machine, place: machine.memo[place]),
    "LONG_BINGET": _pushing(lambda machine, place: machine.memo[place]),
    "DUP": _pushing(lambda machine, _: machine.stack[-1]),
    "GLOBAL": _pushing(lambda machine, written: _name(written)),
    "EXT1": _pushing(lambda machine, code: Name("copyreg", str(code))),
    "EXT2": _pushing(lambda machine, code: Name("copyreg", str(code))),
    "EXT4": _pushing(lambda machine, code: Name("copyreg", str(code))),
    "NEXT_BUFFER": _pushing(lambda machine, _: None),
    "STACK_GLOBAL": _global_from_stack,
    "PERSID": _refer,
    "BINPERSID": lambda machine, _: _refer(machine, machine.stack.pop()),
    "PUT": lambda machine, place: machine.memo.update({place: machine.stack[-1]}),
    "BINPUT": lambda machine, place: machine.memo.update({place: machine.stack[-1]}),
    "LONG_BINPUT": lambda machine, place: machine.memo.update({place: machine.stack[-1]}),
    "MEMOIZE": lambda machine, _: machine.memo.update({len(machine.memo): machine.stack[-1]}),
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "POP": _pop,
    "POP_MARK": lambda machine, _: machine.above_mark(),
    "BUILD": lambda machine, _: machine.stack.pop(),
    "APPEND": lambda machine, _: _extend(machine, _last(machine, 1)),
    "APPENDS": lambda machine, _: _extend(machine, machine.above_mark()),
    "ADDITEMS": lambda machine, _: _extend(machine, machine.above_mark()),
    "SETITEM": lambda machine, _: _set(machine, _last(machine, 2)),
    "SETITEMS": lambda machine, _: _set(machine, machine.above_mark()),
}
