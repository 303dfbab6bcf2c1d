"""Instructions for a processor's registers, which compiled loops are made of where no loop is compiled to them.

Whoever changes this changes the file of the loops as well: what is kept on disk is compiled anew when that changes.
"""

from __future__ import annotations

from typing import Any


class Registers:
    """Writes instructions for registers of `lanes` float32 numbers, which lie anywhere in arrays."""

    def __init__(self, builder: Any, lanes: int) -> None:
        from llvmlite import ir

        self.builder, self.lanes, self.kind = builder, lanes, ir.VectorType(ir.FloatType(), lanes)
        self.places = ir.VectorType(ir.IntType(32), lanes)
        self.nothing, self.undefined = (ir.Constant(self.kind, of) for of in ([0.0] * lanes, ir.Undefined))

    def _lying(self, numbers: Any, place: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(numbers, [place]), self.kind.as_pointer())

    def load(self, numbers: Any, place: Any) -> Any:
        """Return a register with the numbers from `place` on."""
        found = self.builder.load(self._lying(numbers, place))
        found.align = 4
        return found

    def store(self, register: Any, numbers: Any, place: Any) -> None:
        """Write the numbers of a register from `place` on."""
        self.builder.store(register, self._lying(numbers, place)).align = 4

    def _mixed(self, one: Any, other: Any, places: list[int]) -> Any:
        """Return numbers of two registers, those of the other one counted on."""
        from llvmlite import ir

        return self.builder.shuffle_vector(one, other, ir.Constant(self.places, places))

    def filled(self, numbers: Any, place: Any) -> Any:
        """Return a register that holds the number at `place` throughout."""
        number = self.builder.load(self.builder.gep(numbers, [place]))
        alone = self.builder.insert_element(self.undefined, number, self.places.element(0))
        return self._mixed(alone, self.undefined, [0] * self.lanes)

    def turned(self, rows: list[Any]) -> list[Any]:
        """Return the columns of as many rows as there are lanes, in halves, quarters and so on that change places."""
        size = 1
        while size < self.lanes:
            upper = [lane for lane in range(self.lanes) if not lane & size]
            for row in upper:
                one, other = rows[row], rows[row + size]
                first = [lane if not lane & size else lane - size + self.lanes for lane in range(self.lanes)]
                second = [lane + size if not lane & size else lane + self.lanes for lane in range(self.lanes)]
                rows[row], rows[row + size] = self._mixed(one, other, first), self._mixed(one, other, second)
            size *= 2
        return rows


def arrays_of(context: Any, builder: Any, signature: Any, given: Any) -> list[Any]:
    """Return the arrays among the arguments of an intrinsic."""
    from numba.core import types

    chosen = [pair for pair in zip(signature.args, given, strict=True) if isinstance(pair[0], types.Array)]
    return [context.make_array(kind)(context, builder, one) for kind, one in chosen]
