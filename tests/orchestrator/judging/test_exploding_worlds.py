"""Verdicts on predictors that explode: in a few free runs, in most of them, or on one seed of six."""

import numpy as np
import pytest
import torch

from orchestrator.judging.measures import Measures
from orchestrator.judging.verdict import Verdict, judge
from orchestrator.records.evidence import Evidence
from tests.orchestrator.synthetic_evidence import STUDY, Truth, evidence
from tests.trainables.predictor.conftest import utterance_table
from trainables.latents.batching.feed import Feed
from trainables.predictor.config import Structure
from trainables.predictor.evaluation.evaluate import evaluate
from trainables.predictor.lanes.stacked import Stacked
from trainables.predictor.model.closed_form import Baseline

DIM, CONTEXT, HORIZON = 6, 4, 16
SPEAKERS, WINDOWS = 12, 25  # of each speaker
BOUND = 10.0  # from which on a run counts as lost: Structure's own
MDN = Truth(cos=(0.7, 0.2), ratio=(0.5, 0.05))


def turn() -> np.ndarray:
    """Two planes that turn, in which the next step is known, and two dimensions that stand still."""
    plane = np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    return np.block([[np.kron(np.eye(2), plane), np.zeros((4, 2))], [np.zeros((2, 6))]]) + np.diag(
        [0] * 4 + [1] * 2
    )


def feed_of(fused: int) -> Feed:
    """Windows of a world that turns; in ``fused`` of 300 the last dimension is lit, if ever so little."""
    rng, utterances = np.random.default_rng(0), {}
    for i in range(SPEAKERS * WINDOWS):
        z = [np.concatenate([rng.normal(size=4), [0, 0.01 * (i < fused)]])]
        for _ in range(CONTEXT + HORIZON - 1):
            z.append(turn() @ z[-1] + np.concatenate([0.02 * rng.normal(size=4), [0, 0]]))
        utterances[f"speaker-{i % SPEAKERS:02d}-{i:03d}"] = np.stack(z)
    table = utterance_table(utterances)
    speakers = [name.rsplit("-", 1)[0] for name in utterances]
    table = table.set_column(table.schema.get_field_index("speaker_id"), "speaker_id", [speakers])
    return Feed(lambda: [table], rms=1.0, lattice_step=None, frame_rate=50.0, dtype=torch.float64)


def predictor(structure: Structure, seed: int) -> Baseline:
    """A predictor that knows how the world turns, about, and multiplies what is lit by a hundred."""
    model = Baseline(structure, DIM).double()
    noise = torch.randn(DIM, DIM, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    step_DD = torch.from_numpy(turn()) - torch.eye(DIM) + 1e-3 * noise
    step_DD[:, 4:] = 0  # nothing but its own fuse reads the fuse
    step_DD[4:] = 0
    step_DD[5, 5] = 99.0
    with torch.no_grad():
        model.head.linear.weight.zero_()
        model.head.linear.bias.zero_()
        model.head.linear.weight[:, -DIM:] = step_DD
    return model


def judged(fused: int) -> Evidence:
    """The record of a sweep whose vmf arm is that predictor on six seeds."""
    record, feed = evidence({"mdn": MDN, "vmf": Truth(kept=(0.83, 0.8))}), feed_of(fused)
    structure = Structure(head="linear", context=CONTEXT, horizon=HORIZON, dtype="float64", runaway=BOUND)
    for seed, replicate in enumerate(record.arms["vmf"].replicates):
        stacked = Stacked([predictor(structure, seed)])
        (scores,) = evaluate(structure, stacked, ["real"], feed, feed.shard(0).moments)
        replicate.scores = scores.to_json()
    return record


def test_one_window_in_a_hundred_costs_its_own_share_and_nothing_else() -> None:
    sound, exploding = judged(0), judged(3)
    whole, lost = (Measures(record).value("vmf", "cos@16") for record in (sound, exploding))
    share = Measures(exploding).value("vmf", "runaway@16")
    assert share.estimate == pytest.approx(0.01) and share.n_seeds == 6
    assert Measures(sound).value("vmf", "runaway@16").estimate == 0
    assert lost.estimate == pytest.approx(0.99 * whole.estimate, rel=1e-3)
    judgement = judge(STUDY, exploding)
    assert judgement.verdict is Verdict.GO, judgement.reason
    assert judgement.criteria[0].dropped == 0 and judgement.replicates["vmf"]["finished"] == 6


def test_an_arm_that_mostly_explodes_is_not_judged_on_its_survivors() -> None:
    judgement = judge(STUDY, judged(240))
    assert judgement.verdict is Verdict.NO_GO, judgement.reason
    assert judgement.criteria[0].estimate.estimate == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize(("cosine", "verdict"), [(0.9, Verdict.INCONCLUSIVE), (0.2, Verdict.NO_GO)])
def test_a_seed_in_six_whose_training_fails_counts_and_ends_nothing(cosine, verdict) -> None:
    truth = Truth(cos=(0.9, cosine))
    failing = Truth(cos=(0.9, cosine), diverged=1)
    whole = judge(STUDY, evidence({"mdn": MDN, "vmf": truth}))
    judgement = judge(STUDY, evidence({"mdn": MDN, "vmf": failing}))
    assert whole.verdict is (Verdict.GO if cosine > 0.5 else Verdict.NO_GO)
    assert judgement.verdict is verdict, judgement.reason
    assert judgement.replicates["vmf"] == {"asked": 6, "finished": 5, "diverged": 1}
    found = judgement.criteria[0].estimate
    assert found.n_seeds == 6
    assert found.estimate == pytest.approx(5 / 6 * whole.criteria[0].estimate.estimate, rel=0.05)
