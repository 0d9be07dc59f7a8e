"""Moving displacement rows between nodes and batches of elements, sixteen at a time, with vector registers.

A node's row is padded to four float32 numbers, so that it moves as one register; sixteen rows are turned into one
register per component by shuffles. Written as LLVM vector code, which every processor numba supports can run: where
registers are shorter, LLVM splits them. Element by element the same takes twice the time.

References
----------
[1] LLVM Language Reference, instructions load, store and shufflevector.
"""

from __future__ import annotations

from typing import Any

from BoneStrengthFEALib.solver.compiling import HAS_NUMBA

ROWS = 16
"""Rows moved at once."""
WIDTH = 4
"""Numbers in a padded row."""
COMPONENT_STRIDE = 8 * ROWS
"""Distance of two components in the batch: eight corners of sixteen elements."""
LOW = (*range(8), *range(16, 24))
HIGH = (*range(8, 16), *range(24, 32))

if HAS_NUMBA:
    from llvmlite import ir
    from numba.core import types
    from numba.extending import intrinsic

    _INT32, _INT64 = ir.IntType(32), ir.IntType(64)
    _ROW = ir.VectorType(ir.FloatType(), WIDTH)
    _BATCH = ir.VectorType(ir.FloatType(), ROWS)

    def _shuffle(b: Any, first: Any, second: Any, order: Any) -> Any:
        return b.shuffle_vector(first, second, ir.Constant(ir.VectorType(_INT32, len(order)), list(order)))

    def _row_pointer(b: Any, data: Any, corners: Any, position: Any, element: int) -> Any:
        # corners hold eight nodes per element, so the same corner of the next element is eight further
        node = b.load(b.gep(corners, [b.add(position, ir.Constant(_INT64, 8 * element))]))
        start = b.shl(b.zext(node, _INT64), ir.Constant(_INT64, 2))
        return b.bitcast(b.gep(data, [start]), _ROW.as_pointer())

    def _batch_pointer(b: Any, batch: Any, offset: Any, component: int) -> Any:
        place = b.add(offset, ir.Constant(_INT64, COMPONENT_STRIDE * component))
        return b.bitcast(b.gep(batch, [place]), _BATCH.as_pointer())

    def _pointers(context: Any, b: Any, signature: Any, arguments: Any) -> tuple[Any, Any, Any]:
        arrays = ((signature.args[n], arguments[n]) for n in (0, 1, 3))
        data, corners, batch = (context.make_array(kind)(context, b, value).data for kind, value in arrays)
        return data, corners, batch

    def _four_rows(b: Any, data: Any, corners: Any, position: Any, first: int) -> Any:
        rows = [b.load(_row_pointer(b, data, corners, position, first + n), align=4) for n in range(4)]
        halves = [_shuffle(b, rows[n], rows[n + 1], range(8)) for n in (0, 2)]
        return _shuffle(b, halves[0], halves[1], range(16))

    def _generate_gather(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        data, corners, batch = _pointers(context, b, signature, arguments)
        quads = [_four_rows(b, data, corners, arguments[2], first) for first in (0, 4, 8, 12)]
        xy = [4 * row + c for c in (0, 1) for row in range(8)]
        z = [4 * row + c for c in (2, 3) for row in range(8)]
        low_xy, high_xy = (_shuffle(b, quads[n], quads[n + 1], xy) for n in (0, 2))
        low_z, high_z = (_shuffle(b, quads[n], quads[n + 1], z) for n in (0, 2))
        pairs = ((low_xy, high_xy, LOW), (low_xy, high_xy, HIGH), (low_z, high_z, LOW))
        for component, (first, second, order) in enumerate(pairs):
            values = _shuffle(b, first, second, order)
            b.store(values, _batch_pointer(b, batch, arguments[4], component), align=4)
        return context.get_dummy_value()

    def _generate_scatter(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        data, corners, batch = _pointers(context, b, signature, arguments)
        x, y, z = (b.load(_batch_pointer(b, batch, arguments[4], c), align=4) for c in range(3))
        zero = ir.Constant(_BATCH, [0.0] * ROWS)
        for half, order in enumerate((LOW, HIGH)):
            xy, z0 = _shuffle(b, x, y, order), _shuffle(b, z, zero, order)
            for quarter in range(2):
                rows = range(4 * quarter, 4 * quarter + 4)
                four = _shuffle(b, xy, z0, [8 * c + row for row in rows for c in range(4)])
                for n in range(4):
                    row = _shuffle(b, four, zero, range(4 * n, 4 * n + 4))
                    # one after the other: split coarse elements may share a node at the same corner
                    where = _row_pointer(b, data, corners, arguments[2], 8 * half + 4 * quarter + n)
                    b.store(b.fadd(b.load(where, align=4), row), where, align=4)
        return context.get_dummy_value()

    @intrinsic  # type: ignore[untyped-decorator]
    def gather_rows(_context: Any, u: Any, corners: Any, _position: Any, batch: Any, _offset: Any) -> Any:
        """batch[offset + 128 c + n] = u[corners.flat[position + 8 n], c] for 16 elements n and 3 components c."""
        return types.void(u, corners, types.int64, batch, types.int64), _generate_gather

    @intrinsic  # type: ignore[untyped-decorator]
    def scatter_rows(_context: Any, f: Any, corners: Any, _position: Any, batch: Any, _offset: Any) -> Any:
        """f[corners.flat[position + 8 n], c] += batch[offset + 128 c + n], the reverse of gather_rows."""
        return types.void(f, corners, types.int64, batch, types.int64), _generate_scatter

else:

    def gather_rows(u: Any, corners: Any, position: Any, batch: Any, offset: Any) -> None:
        """Move rows; only compiled kernels do."""
        raise NotImplementedError("rows are moved by compiled kernels only")

    def scatter_rows(f: Any, corners: Any, position: Any, batch: Any, offset: Any) -> None:
        """Move rows; only compiled kernels do."""
        raise NotImplementedError("rows are moved by compiled kernels only")
