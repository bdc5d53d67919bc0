"""Heads: modules that map a hidden state to a law over delta (:mod:`trainables.distributions.law`), and
nothing else.

Shapes: N training steps, D latent dimensions, K codes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trainables.distributions.polar import MAGNITUDE_FLOOR
from trainables.errors import InputError
from trainables.own_parts.registry import PartKind, made_instance
from trainables.predictor.config import ON_STATES
from trainables.predictor.heads.base import Head, Survey, Whitening
from trainables.predictor.heads.diffusion import DiffusionHead
from trainables.predictor.heads.direction_codebook import CodebookHead
from trainables.predictor.heads.energy import EnergyHead
from trainables.predictor.heads.flow import FlowHead
from trainables.predictor.heads.flow_matching import FlowMatchingHead
from trainables.predictor.heads.gaussian import GaussianHead
from trainables.predictor.heads.mdn import MDNHead
from trainables.predictor.heads.mean_flow import MeanFlowHead
from trainables.predictor.heads.movmf import MoVMFHead
from trainables.predictor.heads.polar import PolarForm
from trainables.predictor.heads.power_spherical import PowerSphericalHead
from trainables.predictor.heads.prototypes import PrototypesHead
from trainables.predictor.heads.sphere import SphereHead
from trainables.predictor.heads.vmf import VMFHead
from trainables.predictor.heads.whitened import WhitenedHead

if TYPE_CHECKING:
    from trainables.predictor.config import Structure

__all__ = ["Head", "Survey", "Whitening", "build_head", "survey"]


_BUILDERS: dict[str, Callable[[Structure, int], Head]] = {
    "mdn": lambda s, dim: MDNHead(s.width, dim, s.covariance, s.components, s.rank),
    "gaussian": lambda s, dim: GaussianHead(s.width, dim, s.covariance, rank=s.rank),
    "vmf": lambda s, dim: VMFHead(s.width, dim, _form(s), s.coupling),
    "movmf": lambda s, dim: MoVMFHead(s.width, dim, _form(s), s.components),
    "power_spherical": lambda s, dim: PowerSphericalHead(s.width, dim, _form(s)),
    "sphere": lambda s, dim: SphereHead(s.width, dim, _form(s)),
    "prototypes": lambda s, dim: PrototypesHead(s.width, dim, _form(s), s.components),
    "direction_codebook": lambda s, dim: CodebookHead(s.width, dim, _form(s), s.components),
    "flow": lambda s, dim: FlowHead(s.width, dim),
    "flow_matching": lambda s, dim: FlowMatchingHead(s.width, dim, s.head_noise_law, s.head_solver_steps),
    "diffusion": lambda s, dim: DiffusionHead(s.width, dim, s.head_noise_law, s.head_solver_steps),
    "mean_flow": lambda s, dim: MeanFlowHead(s.width, dim, s.head_noise_law, s.head_solver_steps),
    "energy": lambda s, dim: EnergyHead(s.width, dim),
}
_WITH_CODES = ("prototypes", "direction_codebook")
_KMEANS_ROUNDS, _KMEANS_SEED = 20, 0


def build_head(structure: Structure, dim: int) -> Head:
    """The head that a structure names, over delta in R^dim, on hidden states of
    ``structure.hidden_units(dim)``.

    Raises:
        InputError: it is a user's own, and cannot be made of the structure and the dimensions.
    """
    builder = _BUILDERS.get(structure.head)
    head = (
        made_instance(Head, PartKind.HEAD, structure.head, structure, dim)
        if builder is None
        else builder(structure, dim)
    )
    return WhitenedHead(head, dim, structure.factors) if structure.coordinates == "whitened" else head


def survey(structure: Structure, steps_ND: Tensor, frames_ND: Tensor) -> Survey:
    """What the heads of a structure learn from training steps [N, D], and from the frames [N, D] that these
    come from, before they are trained.

    Raises:
        InputError: fewer steps move than the head wants codes.
    """
    whitening, state = None, 1.0
    if structure.coordinates == "whitened":
        whitening = Whitening.fit(frames_ND)
        inverse_DD = whitening.inverse_DD.mT.to(steps_ND)
        steps_ND = steps_ND @ inverse_DD
        if structure.head in ON_STATES:
            state = _typical((frames_ND - whitening.mean_D.to(frames_ND)) @ inverse_DD)
    magnitude = steps_ND.norm(dim=-1)
    typical = _typical(steps_ND)
    if structure.head not in _WITH_CODES:
        return Survey(typical, whitening=whitening, typical_state=state)
    moving = magnitude > MAGNITUDE_FLOOR
    codes_KD = _codes(steps_ND[moving] / magnitude[moving, None], structure.components)
    return Survey(typical, codes_KD, whitening, state)


def _typical(vectors_ND: Tensor) -> float:
    return float(torch.exp(vectors_ND.norm(dim=-1).clamp_min(1e-6).log().mean()))


def _form(structure: Structure) -> PolarForm:
    return PolarForm(
        structure.kappa_prior_family, structure.jacobian, structure.magnitude, structure.magnitude_spread
    )


def _codes(directions_ND: Tensor, count: int) -> Tensor:
    """Unit vectors [K, D] that stand for all directions, K = ``count``, by spherical k-means (I. S. Dhillon,
    D. S. Modha, 2001).
    """
    import faiss  # here, because few heads need it and it is slow to load

    if len(directions_ND) < count:
        raise InputError(
            f"components is {count}, but only {len(directions_ND)} training steps move; "
            "it must be at most that number"
        )
    kmeans = faiss.Kmeans(
        directions_ND.shape[1],
        count,
        niter=_KMEANS_ROUNDS,
        seed=_KMEANS_SEED,
        spherical=True,
        min_points_per_centroid=1,  # the check above takes its place
    )
    kmeans.train(directions_ND.float().cpu().numpy())
    return torch.nn.functional.normalize(torch.from_numpy(kmeans.centroids).to(directions_ND), dim=-1)
