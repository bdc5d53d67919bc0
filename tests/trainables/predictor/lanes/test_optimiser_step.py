"""A training step never asks its device for a number and never brings it one: so a GPU can capture it."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from trainables.distributions.law import LawNoise
from trainables.predictor.config import Lane, Structure
from trainables.predictor.heads import Survey
from trainables.predictor.lanes.optimiser import LaneAdamW
from trainables.predictor.lanes.optimiser_step import CapturedStep, EagerStep
from trainables.predictor.lanes.pack import Batch, StackedPack, lane_tensor
from trainables.predictor.model.losses import WindowNoise

ASKING = {"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "is_nonzero", "equal"}
BRINGING = {"lift_fresh", "lift"}  # a tensor made of Python numbers, which would be copied to a GPU
DIM, LANES = 6, 3
KINDS = [
    ("mdn", "mean"),
    ("mdn", "sample"),
    ("gaussian", "mode"),
    ("vmf", "mean"),
    ("vmf", "sample"),
    ("movmf", "sample"),
    ("power_spherical", "sample"),
    ("prototypes", "mean"),
    ("flow", "mean"),
    ("flow", "sample"),
    ("flow_matching", "mean"),
    ("diffusion", "mean"),
    ("mean_flow", "sample"),
    ("energy", "sample"),
    ("direction_codebook", "mode"),
]
ASIDE = [
    {"head": "mdn", "feedback": "sample", "rollout_branches": "marginal"},
    {"head": "vmf", "feedback": "sample", "temperature": 0.7, "rollout_gradient": "stopped"},
    {"head": "vmf", "coupling": "kappa_on_magnitude", "kappa_prior_family": "gamma"},
    {"head": "vmf", "coupling": "magnitude_on_direction", "kappa_prior_family": "beta"},
    {"head": "mdn", "covariance": "low_rank", "feedback": "sample"},
    {"head": "gaussian", "backbone": "mlp", "rollout_target": "state"},
    {"head": "mdn", "rollout_loss": "mixed"},
    {"head": "gaussian", "backbone": "transformer", "width": 32},
]


class OnDevice(TorchDispatchMode):
    """Notes every operation that a captured stream would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function._schema.name.split("::")[-1] in ASKING | BRINGING:
            self.refused.append(str(function))
        return function(*args, **(kwargs or {}))


def setting(device: str = "cpu", **settings: object) -> tuple[StackedPack, LaneAdamW, Batch]:
    structure = Structure(**{"width": 8, "context": 3, "rollout": 3, "batch": 4, **settings})
    lanes = [Lane(seed=i, scheduled_sampling=0.2, kappa_prior=0.1) for i in range(LANES)]
    pack = StackedPack(structure, lanes, DIM, {"real": Survey(1.0)}).to(device)
    some = next(pack.parameters())
    rates = (lane_tensor(lanes, name, some) for name in ("learning_rate", "weight_decay"))
    optimiser = LaneAdamW(list(pack.parameters()), *rates)
    shape, draw = (LANES, 4, 6), torch.Generator().manual_seed(0)
    windows, replaced = torch.randn(*shape, DIM, generator=draw), torch.rand(shape, generator=draw)
    runs, own = 1 if structure.rollout_loss == "nll" else structure.rollout_draws, DIM + 1 + structure.factors
    width = own * runs + structure.further_normals(DIM)
    normal, uniform = torch.randn(*shape, width, generator=draw), torch.rand(*shape, 2 * runs, generator=draw)
    noise = WindowNoise(replaced, LawNoise(normal, uniform), torch.zeros(*shape, 1), torch.ones(LANES, 4, 1))
    return pack, optimiser, tree_map(lambda part: part.to(device), Batch(windows, noise))


@pytest.mark.parametrize(
    "settings", [*({"head": head, "feedback": rule} for head, rule in KINDS), *ASIDE], ids=str
)
@pytest.mark.parametrize("phase", ["teacher", "rollout"])
def test_a_step_asks_its_host_for_nothing(settings: dict, phase: str) -> None:
    pack, optimiser, batch = setting(**settings)
    pace = torch.tensor(0.5), torch.tensor(1.0)
    step = EagerStep(pack, optimiser)
    step(batch, phase, *pace)  # tables that are made once are made here
    with OnDevice() as device:
        step(batch, phase, *pace)
    assert device.refused == []


@pytest.mark.parametrize(
    "settings", [*({"head": head, "feedback": rule} for head, rule in KINDS), *ASIDE], ids=str
)
@pytest.mark.parametrize("phase", ["teacher", "rollout"])
def test_a_step_validates_no_settings(settings: dict, phase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pack, optimiser, batch = setting(**settings)
    validated = []
    for kind in (Structure, Lane):
        monkeypatch.setattr(kind, "__post_init__", lambda self: validated.append(self))
    Structure("mdn")
    Lane()
    assert len(validated) == 2  # whatever is made from here on is counted
    EagerStep(pack, optimiser)(batch, phase, torch.tensor(0.5), torch.tensor(1.0))
    assert len(validated) == 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("head", "feedback"), KINDS)
def test_a_captured_step_is_the_eager_one(head: str, feedback: str) -> None:
    ends = []
    for make in (EagerStep, CapturedStep):
        pack, optimiser, batch = setting("cuda", head=head, feedback=feedback)
        step = make(pack, optimiser)
        for phase in ("teacher", "rollout"):
            for i in range(8):
                losses = step(batch, phase, torch.tensor(i / 8).cuda(), torch.tensor(1.0).cuda())
        ends.append((losses, pack.lane_state(0)))
    assert torch.allclose(ends[0][0], ends[1][0], rtol=1e-4)
    assert all(torch.allclose(ends[0][1][k], ends[1][1][k], atol=1e-4) for k in ends[0][1])
