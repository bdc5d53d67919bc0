"""Do directions recur? Acoustic archetypes by spherical k-means, and whether they hold for new speakers."""

from __future__ import annotations

from search_spaces.domains import Choice
from search_spaces.study import DRAW_NO_CONCLUSION, Arm, Budget, Criterion, Prior, Role, Study

_ARCHETYPES = Arm(
    name="archetypes",
    title="spherical k-means on directions, after PCA to 90 % of the variance",
    fixed={"analysis": "spherical_kmeans", "pca_variance": 0.9},
    space={"clusters": Choice((32, 64, 128, 256, 512))},
)

_CRITERIA = (
    Criterion(
        name="clusters are tight (mean cluster cosine)",
        metric="mean_cluster_cosine",
        arm="archetypes",
        success=0.75,
        failure=0.6,
        role=Role.PRIMARY,
        beats_null=True,  # with enough clusters, clusters of anything are tight
        source="Research Discussion 7, section 6.3",
    ),
    Criterion(
        name="clusters hold for speakers on whom they were not fitted",
        metric="cross_speaker_accuracy",
        arm="archetypes",
        success=0.6,
        failure=0.6,
        role=Role.REQUIRED,
        source="Research Discussion 7, section 6.3; for “speaker-specific clusters only” it gives no number: "
        "failure at 0.60 too is ours",
    ),
    Criterion(
        name="as many clusters as expected win (K of 256 to 512)",
        metric="clusters",
        arm="archetypes",
        success=255.0,
        failure=255.0,
        source="Research Discussion 7, section 6.3",
    ),
    Criterion(
        name="clusters correlate with acoustic events (spectral flux, pitch change, energy)",
        metric="acoustic_correlation",
        arm="archetypes",
        success=0.0,
        failure=0.0,
        beats_null=True,
        source="Research Discussion 7, section 3.5; that it must beat its null is ours",
    ),
)

STUDY = Study(
    name="archetypes",
    title="Acoustic archetypes: recurring directions, by spherical k-means",
    hypothesis=(
        "Acoustic dynamics (formant movements, pitch contours, energy envelopes) create recurring patterns "
        "in direction space, continuous but structured: some K of 32 to 512 clusters is tight and holds "
        "across speakers."
    ),
    arms=(_ARCHETYPES,),
    fixed={},
    space={},
    criteria=_CRITERIA,
    objective="mean_cluster_cosine",
    prior=Prior(0.50, "Research Discussion 7, section 10"),
    consequences={
        "GO": "Memory-as-basis: soft retrieval from the archetypes (Research Discussion 7, section 6.3).",
        "NO-GO": "Pure parametric vMF (Research Discussion 7, section 6.3).",
        "INCONCLUSIVE": (
            "Neither build a memory nor rule it out: section 6.3 of Research Discussion 7 leaves a gap "
            "between 0.6 and 0.75. Add the test speakers or replicates that the reason asks for."
        ),
        "INADMISSIBLE": DRAW_NO_CONCLUSION,
    },
    budget=Budget(trials=5, lanes=1, replicates=6, alpha=0.05),  # one trial for every K
    source="Research Discussion 7, sections 3.5, 6.2 (item 3), 6.3 and 10",
    missing=(
        "a study of directions without a predictor: spherical k-means after PCA, with cluster tightness, "
        "accuracy across speakers and correlation with the acoustic tracks"
    ),
)
