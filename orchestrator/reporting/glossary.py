"""The terms of a report, each in a sentence or two for a reader who has not read the research document.

They are the tooltips where a term first stands in a page, and the list at its end.
"""

from __future__ import annotations

import re

from markupsafe import Markup, escape

GLOSSARY = {
    "verdict": (
        "GO: the hypothesis holds. NO-GO: it fails. INCONCLUSIVE: the evidence does not decide. "
        "INADMISSIBLE: the run broke one of its rules, such as the seal, and allows no conclusion."
    ),
    "arm": "One of the models that compete in a study. Each has its settings searched with the same budget.",
    "head": (
        "The last part of a model, which turns its summary of the past into a distribution of the next step. "
        "mdn is a mixture of Gaussians; vmf a direction (von Mises-Fisher) times a length (LogNormal)."
    ),
    "vMF": (
        "Von Mises-Fisher, a distribution of directions around a mean direction, as a normal one is "
        "of numbers. A vMF head predicts the direction of a step by it, and its length by another law."
    ),
    "latents": (
        "The representation of audio that is studied: a sequence of frames, made by the encoder of a codec, "
        "or derived from it."
    ),
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
        "What a figure comes to where there is nothing to find: the same model is trained and judged again "
        "on made frames (a surrogate), and only what exceeds that figure counts as evidence."
    ),
    "plant": (
        "Made frames with the mean, the covariance and the step lengths of the real ones, in which a "
        "direction was put, so that it is known what can be reached. An arm that misses it at its settings "
        "cannot say that there is none in the real frames."
    ),
    "shuffled frames": (
        "The frames of each utterance in random order (the surrogate called white), so that the past tells "
        "nothing about the next frame but what all frames of the utterance share."
    ),
    "Gaussian copy": (
        "Random frames with the mean and all covariances over time of the real ones (the surrogate called "
        "gaussian). Only what a linear model can predict is left."
    ),
    "nats": "A unit of information: one nat is 1.44 bits.",
    "NLL": (
        "Negative log-likelihood, in nats per frame: how improbable a model finds the true next frame. Less "
        "is better."
    ),
    "ΔNLL": (
        "The NLL of a model that knows the past less that of the same kind of model without a past. It is "
        "below 0 even on shuffled frames, and depends on the number of dimensions, the frame rate and the "
        "scale of the frames."
    ),
    "continuation quality": (
        "A score from 0 to 1 of a rollout that is decoded to audio: how much better it fits the true "
        "continuation than other utterances do, times how far it gets in the same time."
    ),
    "predictive information": (
        "How much the past tells about the next frame, in nats per frame or bits per second of audio: the "
        "NLL under the best density without a past (of the arm's own family, a full Gaussian, or a flow; "
        "chosen on validation speakers) less that of the model. Below 0 the model knows less than a density "
        "without a past. It does not depend on the scale of the frames."
    ),
    "injection A-D": (
        "The same rollout, put back to the true frame after every step (A), after every fourth (B), after "
        "the first alone (C), or never (D), which is the rollout itself."
    ),
    "energy score, CRPS": (
        "Proper scores: how far sampled rollouts lie from the true frames, with credit for a spread that is "
        "right. The energy score compares whole frames, the CRPS one dimension at a time. Less is better."
    ),
    "energy skill@k": (
        "How much of the energy score of climatology, which draws training frames at random, the sampled "
        "rollouts save at step k: 1 is the truth itself, 0 no better than climatology, below 0 worse."
    ),
    "skill gained": (
        "By how much a correction, or a loss in training, raises the energy skill over steps 1 to 8, with "
        "the same random numbers in both."
    ),
    "archetype": (
        "A direction of change that recurs in speech, whoever speaks: the centre of a cluster of the "
        "directions that steps take."
    ),
    "mean cluster cosine": (
        "How tight clusters of directions are: the mean cosine between the direction of a test speaker’s "
        "step and the nearest cluster’s centre, 1 where all directions are centres."
    ),
    "component information": (
        "What the mixture component that made a step says of the sound, in nats per step: the sum over "
        "spectral flux, pitch change and energy change, beyond what the length of the step says."
    ),
    "readout information": (
        "What a forecast through a bottleneck of so few dimensions tells about the next frame, in nats per "
        "frame beyond a Gaussian that knows no past; the mean over three sizes."
    ),
    "manifold": (
        "The region of the latent space in which true frames lie. A state that has left it is like no frame, "
        "and a model has learnt nothing of what comes after it."
    ),
    "density distance": (
        "How far the log densities of rolled-out states are from being distributed as those of true frames: "
        "the difference of the two distribution functions, 0 for frames, 1 where no state is like a frame."
    ),
    "quality loss": (
        "By how much an error lowers the quality of the decoded continuation, a score from 0 to 1, below "
        "that of the true trajectory, decoded alike."
    ),
    "seed": (
        "Where the random numbers of a training begin. Several seeds show how much of a figure is chance."
    ),
    "lane": "One model with its settings and its random seed. Several are trained side by side.",
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
    "control world": (
        "Made data of which it is known what can be predicted, and so what the verdict has to be: a check of "
        "everything that measures and judges."
    ),
    "seal": (
        "A hash of the plan (hypothesis, criteria, thresholds, data, code), written down before anyone "
        "looked at the test speakers. It shows whether any of it was changed afterwards."
    ),
    "belief": "The probability given to the hypothesis, before the run and after its verdict.",
}
# How a term is written, where that is not its name, in the singular or the plural.
_SPELLINGS = {
    "vMF": r"\bvMF\b|\bvon Mises-Fisher\b",
    "manifold": r"\b(?:off-)?manifold\b",
    "cos@k": r"\bcos@\w+",
    "magnitude ratio@k": r"magnitude[ _]ratio(?:@\w+)?",
    "state error@k": r"state[ _]error(?:@\w+)?",
    "kappa": r"kappa|κ",
    "continuation quality": r"continuation[ _]quality",
    "predictive information": r"predictive[ _]information\w*",
    "energy score, CRPS": r"energy[ _]score|CRPS",
    "energy skill@k": r"energy[ _]skill(?:@[\w–-]+)?",
    "quality loss": r"\bquality[ _]loss",
    "seal": r"\bseal(?:ed)?\b",
}
_PATTERNS = {
    name: re.compile(_SPELLINGS.get(name, rf"\b{re.escape(name)}s?\b"), re.IGNORECASE) for name in GLOSSARY
}
_ANY = re.compile("|".join(pattern.pattern for pattern in _PATTERNS.values()), re.IGNORECASE)


def term(name: str, text: str = "") -> Markup:
    """A term of the glossary, written as ``text``, with its meaning as a tooltip.

    Raises:
        KeyError: the glossary does not explain ``name``.
    """
    return Markup('<abbr title="{}">{}</abbr>').format(GLOSSARY[name], text or name)


def with_tooltips(text: str) -> Markup:
    """A text in which each term of the glossary has its meaning as a tooltip, where it stands first."""
    seen: set[str] = set()

    def first_only(match: re.Match[str]) -> str:
        name = next(name for name, pattern in _PATTERNS.items() if pattern.fullmatch(match[0]))
        if name in seen:
            return match[0]
        seen.add(name)
        return term(name, match[0])

    return Markup(_ANY.sub(first_only, escape(text)))


def terms_on(page: str) -> dict[str, str]:
    """The terms that a page of HTML uses, in words or as a tooltip, with their meaning."""
    words = re.sub(r"<[^>]*>", " ", page)
    return {
        name: meaning
        for name, meaning in GLOSSARY.items()
        if escape(meaning) in page or _PATTERNS[name].search(words)
    }
