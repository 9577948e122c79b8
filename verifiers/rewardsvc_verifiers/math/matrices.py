"""Small matrix arithmetic on trees: scalar multiples, sums, determinants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.exact import exact
from rewardsvc_verifiers.math.tree import Node

_LARGEST_DETERMINANT: Final = 4
_LARGEST_NUMERIC_DETERMINANT: Final = 16


def fold_matrices(node: Node) -> Node:
    """The tree with scalar multiples, sums and determinants of written matrices worked out."""
    if not node.args or not any(part.kind == tree.MATRIX for part in tree.walk(node)):
        return node
    if node.kind == tree.MATRIX:
        return node
    args = tuple(fold_matrices(child) for child in node.args)
    node = node._replace(args=args)
    matrices = [child for child in args if child.kind == tree.MATRIX]
    if node.kind == tree.FUNCTION and node.name == "det" and len(matrices) == 1:
        return _determinant(matrices[0]) or node
    if node.kind == tree.NEGATE and matrices:
        return _map(args[0], tree.negate)
    if node.kind == tree.MULTIPLY and len(matrices) == 1:
        factors = [child for child in args if child.kind != tree.MATRIX]
        if all(child.kind not in (tree.LIST, tree.TUPLE, tree.INTERVAL) for child in factors):
            return _map(matrices[0], lambda cell: Node(tree.MULTIPLY, (*factors, cell)))
    if node.kind == tree.DIVIDE and args[0].kind == tree.MATRIX and len(matrices) == 1:
        return _map(args[0], lambda cell: Node(tree.DIVIDE, (cell, args[1])))
    if node.kind == tree.ADD and len(matrices) == len(args):
        return _sum(matrices) or node
    return node


def _map(matrix: Node, change: Callable[[Node], Node]) -> Node:
    return matrix._replace(
        args=tuple(
            row._replace(args=tuple(change(cell) for cell in row.args)) for row in matrix.args
        )
    )


def _sum(matrices: list[Node]) -> Node | None:
    shapes = {(len(matrix.args), len(matrix.args[0].args)) for matrix in matrices}
    if len(shapes) != 1:
        return None
    rows = []
    for row_group in zip(*(matrix.args for matrix in matrices), strict=True):
        cells = zip(*(row.args for row in row_group), strict=True)
        rows.append(Node(tree.LIST, tuple(Node(tree.ADD, tuple(cell)) for cell in cells)))
    return Node(tree.MATRIX, tuple(rows))


def _determinant(matrix: Node) -> Node | None:
    size = len(matrix.args)
    if any(len(row.args) != size for row in matrix.args):
        return None
    cells = [list(row.args) for row in matrix.args]
    values = [[exact(cell) for cell in row] for row in cells]
    if size <= _LARGEST_NUMERIC_DETERMINANT and all(v is not None for row in values for v in row):
        from flint import fmpq, fmpq_mat

        numbers = [fmpq(v.numerator, v.denominator) for row in values for v in row if v is not None]
        if sum(len(str(number)) for number in numbers) > 4000:
            return None
        found = fmpq_mat(size, size, numbers).det()
        quotient = (tree.integer(int(found.p)), tree.integer(int(found.q)))
        return quotient[0] if found.q == 1 else Node(tree.DIVIDE, quotient)
    if size > _LARGEST_DETERMINANT:
        return None
    return _expand(cells)


def _expand(cells: list[list[Node]]) -> Node:
    """Laplace expansion along the first row."""
    if len(cells) == 1:
        return cells[0][0]
    terms: list[Node] = []
    for column, cell in enumerate(cells[0]):
        minor = [row[:column] + row[column + 1 :] for row in cells[1:]]
        term = Node(tree.MULTIPLY, (cell, _expand(minor)))
        terms.append(term if column % 2 == 0 else tree.negate(term))
    return Node(tree.ADD, tuple(terms))
