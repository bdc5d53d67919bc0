"""What the roadmap's verdicts add up to, as data: probabilities, decisions, and an architecture.

The table of probabilities is that of section 10 of Research Discussion 7, the decisions are those of section
6.3, word for word. The parts of the architecture are ours; each names what chooses it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A row of section 10: how probable a hypothesis was held to be, before any study was run."""

    hypothesis: str
    study: str  # that asks it
    previous: float
    updated: float
    reasoning: str


@dataclass(frozen=True)
class Decision:
    """A decision of section 6.3, with what it calls success and failure."""

    title: str
    study: str
    success: str
    failure: str
    on_success: str
    on_failure: str


@dataclass(frozen=True)
class Part:
    """A part of the architecture, and what it is.

    ``rules`` are (key, text): a key is a verdict such as "vmf_vs_mdn GO", or a decision that a verdict
    settles. The first key that holds chooses the text; where none does the part is ``otherwise``.
    """

    name: str
    rules: tuple[tuple[str, str], ...]
    otherwise: str


SECTION_10 = (
    Estimate(
        "vMF preserves direction under rollout (cos >0.6 at K=16)",
        "vmf_vs_mdn",
        0.55,
        0.60,
        "Your “slow but correct” argument is compelling",
    ),
    Estimate(
        "Archetypes exist (K with tightness >0.75)",
        "archetypes",
        0.45,
        0.50,
        "Acoustic (not phonetic) structure is more plausible",
    ),
    Estimate(
        "Memory-as-basis helps (if archetypes exist)",
        "memory_as_basis",
        0.15,
        0.25,
        "Soft retrieval can handle continuous structure",
    ),
    Estimate(
        "Score-based correction improves stability",
        "score_correction",
        0.35,
        0.30,
        "More skeptical after thinking through mechanics",
    ),
    Estimate(
        "Representation change (EnCodec / higher Hz) shows >2x ΔNLL improvement",
        "representations",
        0.55,
        0.65,
        "More convinced gap is representation-specific",
    ),
    Estimate(
        "Linear readout (reservoir-style) comparable to nonlinear z_dyn",
        "linear_readout",
        0.40,
        0.45,
        "Simple hypotheses deserve more credit",
    ),
)

SECTION_6_3 = (
    Decision(
        "“Slow but correct” hypothesis (vMF)",
        "vmf_vs_mdn",
        "cos(Δz_pred, Δz_true) > 0.6 at K=16, perceptual quality > baseline",
        "cos drops below 0.3, or perceptual quality worse than baseline",
        "proceed to archetypes",
        "try score-based or representation change",
    ),
    Decision(
        "Archetype discovery",
        "archetypes",
        "K ∈ {256-512} with mean cluster cosine >0.75, cross-speaker accuracy >60%",
        "No K with tightness >0.6 or speaker-specific clusters only",
        "memory-as-basis",
        "pure parametric vMF",
    ),
    Decision(
        "Representation comparison",
        "representations",
        "Other representation (EnCodec / higher frame rate) shows ΔNLL >2x improvement",
        "All representations show similar predictability",
        "switch representation",
        "problem is objective/architecture, not representation",
    ),
)

ARCHITECTURE = (
    Part(
        "Representation",
        (
            ("switch representation", "the one that won the comparison"),
            ("representations NO-GO", "the one given: others are not predicted better by enough"),
        ),
        "the one given, until others have been compared with it",
    ),
    Part(
        "Law of the next step",
        (
            ("vmf_vs_mdn GO", "direction (von Mises-Fisher) times magnitude (LogNormal)"),
            ("vmf_vs_mdn NO-GO", "not factorised: nothing was gained by direction times magnitude"),
        ),
        "open: whether to factorise direction and magnitude is not decided",
    ),
    Part(
        "Directions",
        (
            ("memory-as-basis", "retrieved softly from a memory of archetypes"),
            ("pure parametric vMF", "parametric: no memory"),
            ("vmf_vs_mdn NO-GO", "not modelled apart, so that there is nothing to retrieve"),
        ),
        "parametric, until archetypes have been looked for",
    ),
    Part(
        "Magnitude",
        (
            ("final architecture", "drawn in a second stage, after the directions"),
            ("direction and magnitude stay in one stage", "in one stage with the direction"),
            ("vmf_vs_mdn NO-GO", "not modelled apart"),
        ),
        "in one stage with the direction, until two stages have been tried",
    ),
    Part(
        "State",
        (
            ("use linear readout", "a linear readout of a window of latents"),
            ("keep the nonlinear encoder", "a nonlinear encoder of a window of latents"),
        ),
        "a nonlinear encoder, until a linear readout has been compared with it",
    ),
    Part(
        "Free run",
        (
            ("deploy score correction", "each step corrected along the score of frames"),
            ("no score correction", "left as it is: no correction"),
        ),
        "left as it is, until a correction has been tried",
    ),
)
