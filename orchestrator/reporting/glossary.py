"""The terms of a report, each in a sentence or two for a reader who has not read the research document.

They are the tooltips where a term first stands in a page, and the list at its end.
"""

from __future__ import annotations

from html import escape

GLOSSARY = {
    "arm": "One of the models that compete in a study. Each has its settings searched with the same budget.",
    "frame": (
        "One vector z of the representation, the state of the audio at one moment. Δz is the step from one "
        "frame to the next, and D the number of dimensions of both."
    ),
    "teacher forcing": (
        "A model predicts one step ahead from true frames, never from its own predictions. Settings that "
        "begin with teacher_ belong to this phase of training."
    ),
    "rollout": (
        "A model running free: it predicts a step, takes it, and predicts the next one from where its own "
        "steps have led. Step k is the k-th of them."
    ),
    "cos@k": (
        "The cosine of the angle between the predicted and the true step, k steps into a rollout: 1 is the "
        "right direction, 0 no better than a random one."
    ),
    "magnitude ratio@k": (
        "The length of the predicted step over that of the true one, k steps into a rollout: 1 is right, 0 "
        "stands still."
    ),
    "state error@k": (
        "The distance of the frame that a rollout has reached after k steps from the true one, over the "
        "distance of random frames from each other."
    ),
    "kappa": (
        "κ, the concentration of a von Mises-Fisher distribution of directions: 0 favours no direction, and "
        "the larger it is, the closer draws lie to their mean direction. A kappa prior keeps it from "
        "growing without bound in training."
    ),
    "null": (
        "What a figure is worth where there is nothing to find: the same model is trained and judged again "
        "on surrogate frames, and only what exceeds that figure counts as found."
    ),
    "shuffled frames": (
        "The white surrogate: the frames of each utterance in random order, so that the past tells nothing "
        "about the next frame but what all frames of the utterance share."
    ),
    "Gaussian copy": (
        "The gaussian surrogate: random frames with the mean and all covariances over time of the real ones. "
        "Only what a linear model can predict is left."
    ),
    "NLL": (
        "Negative log-likelihood, in nats per frame: how improbable a model finds the true next frame. Less "
        "is better."
    ),
    "ΔNLL": (
        "The NLL of a model that knows the past less that of the same kind of model without a past. It is "
        "below 0 even on shuffled frames, and depends on the number of dimensions, the frame rate and the "
        "unit."
    ),
    "predictive information": (
        "How much the past tells about the next frame, in nats per frame or bits per second of audio: 0 if "
        "nothing. It does not depend on the unit."
    ),
    "injection A-D": (
        "The same rollout, put back to the true frame after every step (A), after every fourth (B), after "
        "the first alone (C), or never (D), which is the rollout itself."
    ),
    "energy score, CRPS": (
        "Proper scores: how far sampled rollouts lie from the true frames, with credit for a spread that is "
        "right. The energy score compares whole frames, the CRPS one dimension at a time. Less is better."
    ),
    "replicate": "The winning settings of an arm, trained once more from a fresh random seed.",
    "interval": (
        "The range in which the true value lies with the stated confidence, for other speakers and other "
        "seeds too. It stands in brackets behind the estimate."
    ),
    "p (Holm)": (
        "The probability of a result at least as far from the threshold by chance alone, made larger for "
        "the number of reported criteria by Holm’s step-down rule."
    ),
    "ablation": "A part of the winning model is taken out, and the rest is trained again on the same seeds.",
    "control world": "Made data of which it is known what can be predicted: a check on all that measures.",
    "belief": "The probability given to the hypothesis, before the run and after its verdict.",
}


def terms_on(page: str) -> dict[str, str]:
    """The terms that HTML uses, by name or as a tooltip, with their meaning."""
    return {name: meaning for name, meaning in GLOSSARY.items() if name in page or escape(meaning) in page}
