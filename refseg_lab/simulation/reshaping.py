# SPDX-License-Identifier: Apache-2.0
"""Meshes of a compiled MuJoCo model, rewritten to the shapes of a scene's things and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from refseg_lab.simulation.primitives import Mesh
from refseg_lab.simulation.variety import ShapeSpec


class MeshStore:
    """The meshes of a model, as compiled until they are given another shape.

    Args:
        mujoco: the module.
        model: a compiled model.
        context: the rendering context that draws it.
    """

    def __init__(self, mujoco: Any, model: Any, context: Any) -> None:
        self._mj, self._model, self._context = mujoco, model, context
        self._compiled: dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
        self._shapes: dict[int, ShapeSpec] = {}

    def turn(self, number: int) -> NDArray[np.float64]:
        """(3, 3) rotation from the frame in which MuJoCo keeps a mesh to the mesh's own."""
        turn = np.empty(9)
        self._mj.mju_quat2Mat(turn, self._model.mesh_quat[number])
        return turn.reshape(3, 3)

    def show(self, number: int, shape: ShapeSpec | None, mesh: Mesh | None) -> None:
        """Gives a mesh a shape.

        Args:
            number: of the mesh in the model.
            shape: what `mesh` was bent by; None for the mesh as compiled.
            mesh: the bent mesh; used only with a shape.
        """
        if self._shapes.get(number) == shape:
            return
        vertices, normals = self._rows(number)
        compiled = self._compiled.setdefault(number, (vertices.copy(), normals.copy()))
        if shape is None or mesh is None:
            vertices[:], normals[:] = compiled
            self._shapes.pop(number, None)
        else:
            turn = self.turn(number)
            vertices[:] = (mesh.vertices - self._model.mesh_pos[number]) @ turn
            normals[:] = vertex_normals(mesh) @ turn
            self._shapes[number] = shape
        self._mj.mjr_uploadMesh(self._model, self._context, number)

    def _rows(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The vertices and the normals of a mesh in the model; there are as many of both."""
        model = self._model
        start, count = int(model.mesh_vertadr[number]), int(model.mesh_vertnum[number])
        normal = int(model.mesh_normaladr[number])
        return model.mesh_vert[start : start + count], model.mesh_normal[normal : normal + count]


def vertex_normals(mesh: Mesh) -> NDArray[np.float64]:
    """(V, 3) unit normals, of the triangles at each vertex weighted by their areas."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    flat = np.cross(b - a, c - a)
    normals = np.zeros_like(mesh.vertices)
    for k in range(3):
        np.add.at(normals, mesh.faces[:, k], flat)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.asarray(normals / np.maximum(lengths, 1e-15), np.float64)
