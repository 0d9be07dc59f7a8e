"""K u of fifteen elements side by side, written as LLVM vector code.

Elements that follow one another along x share the four nodes between them. A batch is sixteen columns of four nodes,
and between each two of them an element, or a gap of stiffness zero: half as many nodes are moved as by taking elements
one by one, and the parity transform across y and z is done once per column. Everything between reading and adding rows
stays in registers. Every processor that numba supports runs it: where registers are shorter, LLVM splits them.

References
----------
[1] LLVM Language Reference, instructions load, store and shufflevector.
"""

from __future__ import annotations

from typing import Any

from BoneStrengthFEALib.solver.compiling import HAS_NUMBA

LANES = 16
"""Columns of a batch."""
WIDTH = 4
"""Numbers in a padded float32 row."""
COLUMN = 4
"""Nodes of a column: y + 2 z."""
_FUSE = ("contract",)
_LOW = (*range(8), *range(16, 24))
_HIGH = (*range(8, 16), *range(24, 32))

if HAS_NUMBA:
    from llvmlite import ir
    from numba.core import types
    from numba.extending import intrinsic

    _INT32, _INT64 = ir.IntType(32), ir.IntType(64)

    def _shuffle(b: Any, first: Any, second: Any, order: Any) -> Any:
        return b.shuffle_vector(first, second, ir.Constant(ir.VectorType(_INT32, len(order)), list(order)))

    class _Writer:
        """Writes one batch: the builder, the numbers' type, the arrays and the first column."""

        def __init__(self, context: Any, b: Any, signature: Any, arguments: Any, in_line: bool) -> None:
            self.b, self.in_line = b, in_line
            self.u, self.f, self.columns, self.coefficients, self.blocks = (
                context.make_array(kind)(context, b, value)
                for kind, value in zip(signature.args[:5], arguments[:5], strict=True)
            )
            self.number = context.get_data_type(signature.args[0].dtype)
            self.size = 4 if self.number == ir.FloatType() else 8
            self.padded = self.number == ir.FloatType()
            self.bases = 1 if signature.args[4].ndim == 2 else 3
            self.first = arguments[5]
            self.zero = ir.Constant(self.vector(), None)

        def vector(self, lanes: int = LANES) -> Any:
            return ir.VectorType(self.number, lanes)

        def constant(self, value: int) -> Any:
            return ir.Constant(_INT64, value)

        def add(self, x: Any, y: Any) -> Any:
            return self.b.fadd(x, y, flags=_FUSE)

        def sub(self, x: Any, y: Any) -> Any:
            return self.b.fsub(x, y, flags=_FUSE)

        def mul(self, x: Any, y: Any) -> Any:
            return self.b.fmul(x, y, flags=_FUSE)

        def node(self, lane: int, corner: int) -> Any:
            """Start of the row of a node, in numbers."""
            b = self.b
            place = b.add(b.mul(self.first, self.constant(COLUMN)), self.constant(COLUMN * lane + corner))
            start = b.zext(b.load(b.gep(self.columns.data, [place])), _INT64)
            return start if self.padded else b.sub(start, b.lshr(start, self.constant(2)))

        def load(self, data: Any, start: Any) -> Any:
            """Read one row as four numbers."""
            b = self.b
            if self.padded:
                return b.load(b.bitcast(b.gep(data, [start]), self.vector(4).as_pointer()), align=self.size)
            pair = b.load(b.bitcast(b.gep(data, [start]), self.vector(2).as_pointer()), align=self.size)
            third = b.load(b.gep(data, [b.add(start, self.constant(2))]))
            last = b.insert_element(ir.Constant(self.vector(2), None), third, ir.Constant(_INT32, 0))
            return _shuffle(b, pair, last, range(4))

        def add_row(self, start: Any, row: Any) -> None:
            """Add four numbers to one row of f."""
            b, data = self.b, self.f.data
            if self.padded:
                where = b.bitcast(b.gep(data, [start]), self.vector(4).as_pointer())
                b.store(b.fadd(b.load(where, align=self.size), row), where, align=self.size)
                return
            where = b.bitcast(b.gep(data, [start]), self.vector(2).as_pointer())
            b.store(b.fadd(b.load(where, align=self.size), _shuffle(b, row, row, (0, 1))), where, align=self.size)
            where = b.gep(data, [b.add(start, self.constant(2))])
            b.store(b.fadd(b.load(where), b.extract_element(row, ir.Constant(_INT32, 2))), where)

        def gather(self, corner: int) -> list[Any]:
            """Displacements x, y, z of one corner of all columns."""
            b = self.b
            quads = self.quads(corner)
            xy = [4 * row + c for c in (0, 1) for row in range(8)]
            z = [4 * row + c for c in (2, 3) for row in range(8)]
            low_xy, high_xy = (_shuffle(b, quads[n], quads[n + 1], xy) for n in (0, 2))
            low_z, high_z = (_shuffle(b, quads[n], quads[n + 1], z) for n in (0, 2))
            return [
                _shuffle(b, low_xy, high_xy, _LOW),
                _shuffle(b, low_xy, high_xy, _HIGH),
                _shuffle(b, low_z, high_z, _LOW),
            ]

        def quads(self, corner: int) -> list[Any]:
            """Rows of one corner, four columns in each vector."""
            b = self.b
            if self.in_line:
                return [b.load(where, align=self.size) for where in self.in_line_places(self.u.data, corner)]
            rows = [self.load(self.u.data, self.node(lane, corner)) for lane in range(LANES)]
            pairs = [_shuffle(b, rows[n], rows[n + 1], range(8)) for n in range(0, LANES, 2)]
            return [_shuffle(b, pairs[n], pairs[n + 1], range(16)) for n in range(0, 8, 2)]

        def in_line_places(self, data: Any, corner: int) -> list[Any]:
            b, start = self.b, self.node(0, corner)
            starts = [b.add(start, self.constant(4 * WIDTH * quad)) for quad in range(4)]
            return [b.bitcast(b.gep(data, [s]), self.vector().as_pointer()) for s in starts]

        def scatter(self, corner: int, forces: list[Any]) -> None:
            """Add forces x, y, z to one corner of all columns, one after the other: nodes may repeat."""
            b = self.b
            x, y, z = forces
            places = self.in_line_places(self.f.data, corner) if self.in_line else []
            for half, order in enumerate((_LOW, _HIGH)):
                xy, z0 = _shuffle(b, x, y, order), _shuffle(b, z, self.zero, order)
                for quarter in range(2):
                    rows = range(4 * quarter, 4 * quarter + 4)
                    four = _shuffle(b, xy, z0, [8 * c + row for row in rows for c in range(4)])
                    if self.in_line:
                        where = places[2 * half + quarter]
                        b.store(b.fadd(b.load(where, align=self.size), four), where, align=self.size)
                        continue
                    for n in range(4):
                        row = _shuffle(b, four, four, range(4 * n, 4 * n + 4))
                        self.add_row(self.node(8 * half + 4 * quarter + n, corner), row)

        def across(self, v: list[Any]) -> list[Any]:
            """Parity transform over the four nodes of a column."""
            p, q = (self.add(v[0], v[1]), self.sub(v[0], v[1])), (self.add(v[2], v[3]), self.sub(v[2], v[3]))
            return [
                self.add(p[0], q[0]),
                self.add(p[1], q[1]),
                self.sub(p[0], q[0]),
                self.sub(p[1], q[1]),
            ]

        def factors(self) -> list[Any]:
            """Stiffness factors of the elements behind the columns, one vector per basis."""
            b, found = self.b, []
            for k in range(self.bases):
                row = b.mul(self.constant(k), b.extract_value(self.coefficients.shape, 1)) if k else self.constant(0)
                where = b.gep(self.coefficients.data, [b.add(row, self.first)])
                found.append(b.load(b.bitcast(where, self.vector().as_pointer()), align=self.size))
            return found

        def block(self, k: int, parity: int, entry: int) -> Any:
            """One number of the stiffness, for all lanes."""
            b = self.b
            number = b.load(b.gep(self.blocks.data, [self.constant((8 * k + parity) * 6 + entry)]))
            vector = b.insert_element(ir.Constant(self.vector(), ir.Undefined), number, ir.Constant(_INT32, 0))
            return _shuffle(b, vector, vector, [0] * LANES)

        def multiply(self, parity: int, v: list[Any], factors: list[Any]) -> list[Any]:
            """Multiply one parity class by its symmetric 3x3 block."""
            if self.bases == 1:
                entries = [self.block(0, parity, entry) for entry in range(6)]
                v = [self.mul(factors[0], component) for component in v]
            else:
                entries = [self.total([self.block(k, parity, e) for k in range(3)], factors) for e in range(6)]
            xx, yy, zz, xy, xz, yz = entries
            rows = ((xx, xy, xz), (xy, yy, yz), (xz, yz, zz))
            return [self.total(list(row), v) for row in rows]

        def total(self, first: list[Any], second: list[Any]) -> Any:
            found = self.mul(first[0], second[0])
            for x, y in zip(first[1:], second[1:], strict=True):
                found = self.add(found, self.mul(x, y))
            return found

    def _generate(context: Any, b: Any, signature: Any, arguments: Any, in_line: bool = False) -> Any:
        w = _Writer(context, b, signature, arguments, in_line)
        nodes = [w.gather(corner) for corner in range(COLUMN)]
        columns = [w.across([nodes[corner][c] for corner in range(COLUMN)]) for c in range(3)]
        # to the next column: a lane to the left; the last lane holds no element
        after, before = (*range(1, LANES), LANES), (LANES, *range(LANES - 1))
        parity: dict[tuple[int, int], Any] = {}
        for c in range(3):
            for yz in range(COLUMN):
                here = columns[c][yz]
                there = _shuffle(b, here, w.zero, after)
                parity[c, 2 * yz], parity[c, 2 * yz + 1] = w.add(here, there), w.sub(here, there)
        factors = w.factors()
        for t in range(8):
            places = [(0, t ^ 1), (1, t ^ 2), (2, t ^ 4)]
            for place, value in zip(places, w.multiply(t, [parity[p] for p in places], factors), strict=True):
                parity[place] = value
        forces = []
        for c in range(3):
            merged = []
            for yz in range(COLUMN):
                even, odd = parity[c, 2 * yz], parity[c, 2 * yz + 1]
                merged.append(w.add(w.add(even, odd), _shuffle(b, w.sub(even, odd), w.zero, before)))
            forces.append(w.across(merged))
        for corner in range(COLUMN):
            w.scatter(corner, [forces[c][corner] for c in range(3)])
        return context.get_dummy_value()

    @intrinsic  # type: ignore[untyped-decorator]
    def add_batch(_context: Any, u: Any, f: Any, columns: Any, coefficients: Any, blocks: Any, _first: Any) -> Any:
        """Add K u of the batch that starts at a column to f; the arrays are those of columns.apply_columns."""
        return types.void(u, f, columns, coefficients, blocks, types.int64), _generate

    def _generate_in_line(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        return _generate(context, b, signature, arguments, in_line=True)

    @intrinsic  # type: ignore[untyped-decorator]
    def add_line(_context: Any, u: Any, f: Any, columns: Any, coefficients: Any, blocks: Any, _first: Any) -> Any:
        """Do as add_batch, for padded rows where each corner's nodes are numbered one after the other."""
        return types.void(u, f, columns, coefficients, blocks, types.int64), _generate_in_line

else:

    def add_line(u: Any, f: Any, columns: Any, coefficients: Any, blocks: Any, first: int) -> None:
        """Multiply; only compiled kernels do."""
        raise NotImplementedError("batches are multiplied by compiled kernels only")

    def add_batch(u: Any, f: Any, columns: Any, coefficients: Any, blocks: Any, first: int) -> None:
        """Multiply; only compiled kernels do."""
        raise NotImplementedError("batches are multiplied by compiled kernels only")
