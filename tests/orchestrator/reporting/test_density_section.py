"""What the report says of densities and components, from scores whose answer was put there."""

import re

import numpy as np
import pytest

from orchestrator.reporting.density_section import density_context, density_section
from orchestrator.reporting.frame_densities import Densities
from orchestrator.reporting.mixture_section import components_context, mixture_section
from tests.orchestrator.reporting.test_study_page import _Page
from trainables.analysis.frame_likelihoods import TRUE
from trainables.predictor.scores import Scores

SPEAKERS, STEPS = 8, 4
NAMES = [f"s{i}" for i in range(SPEAKERS)]


def scored(horizon=1, **means) -> dict:
    """Per-speaker sums that scatter around means, 100 cases each; a mean of several numbers is a curve."""
    rng, counts = np.random.default_rng(0), 100.0
    scores = Scores(NAMES, 50.0, horizon)
    for name, mean in means.items():
        mean = np.asarray(mean, float)
        scatter = 0.05 * rng.standard_normal((SPEAKERS, *mean.shape)) * (np.abs(mean) > 0)
        scores.sums[name] = counts * (mean + scatter)
        scores.counts[name] = np.full((SPEAKERS, *mean.shape), counts)
    return scores.to_json()


def frames(level: float, off=0.05) -> dict:
    return scored(
        log_density=level, gaussian_log_density=level - 20, off_manifold=off, off_at_its_distance=off
    )


def measured(last: float, *, off=0.3, lanes=2) -> dict:
    """An arm whose log density at the last step differs from true frames by ``last``; noise costs 15."""
    curve = -40 + np.linspace(0, last, STEPS)
    own = {"log_density": curve, "gaussian_log_density": curve - 20}
    own |= {name: np.full(STEPS, off) for name in ("off_manifold", "off_at_its_distance")}
    true = {"log_density": np.full(STEPS, -40.0), "gaussian_log_density": np.full(STEPS, -60.0)}
    true |= {name: np.full(STEPS, 0.05) for name in ("off_manifold", "off_at_its_distance")}
    lane = scored(STEPS, **own, **{TRUE + name: values for name, values in true.items()})
    return {
        "frame_rate": 50.0,
        "noise": 0.3,
        "off": 0.05,
        "settings": {},
        "steps": 900,
        "mean_frame": -11.0,
        "frames": {"true": frames(-40), "noise": frames(-55, 0.2), "mixed": frames(-37, 0.4)},
        "reconstructed": {"before": frames(-40), "again": frames(-41)},
        "arms": {"vmf": [{"seed": i, "scores": lane} for i in range(lanes)] + [{"seed": 9, "scores": None}]},
    }


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (-60, "much less likely than true frames.*have left the manifold.*could help"),
        (-15, "about as much as with a little noise.*not by much"),
        (-4, "not by as much as a little noise.*little for score-based correction"),
        (0, "neither clearly likelier nor clearly less likely"),
        (25, "likelier than true frames.*drawn in towards the mean.*not what they need"),
    ],
)
def test_what_follows_for_score_based_correction(last, said) -> None:
    (sentence,) = density_context(measured(last))["sentences"]
    assert re.search(said, sentence), sentence
    assert "after 4 steps (80 ms)" in sentence and re.search(r" \d\d % of them lie", sentence)


def test_most_states_off_the_manifold_decide_whatever_the_mean() -> None:
    (sentence,) = density_context(measured(0, off=0.95))["sentences"]
    assert "off the manifold: 9" in sentence and "could help" in sentence


def test_the_table_has_every_kind_of_frame_and_differences_to_true_ones() -> None:
    rows = {row[0]: row[1:] for row in density_context(measured(-60))["rows"]}
    assert rows["true frames + noise of 0.3 standard deviations"][1].startswith("−15")
    assert rows["the same, decoded and encoded again"][1].startswith("−1.0")
    assert rows["vmf, step 4 (80 ms)"][1].startswith("−60")
    assert rows["true frames, all"][1] == "–"
    assert {len(row) for row in rows.values()} == {5}


def test_an_interval_of_a_share_ends_where_shares_end() -> None:
    for off in (0.0, 0.96):
        seen = Densities(measured(-4, off=off))
        found = seen.of(seen.arms["vmf"], "off_manifold@4")
        assert 0 <= found.low <= found.estimate <= found.high <= 1


def test_nothing_measured_is_nothing_shown() -> None:
    assert density_context({}) is None and components_context({}) is None
    alone = measured(0) | {"arms": {"vmf": [{"seed": 1, "scores": None}]}, "reconstructed": None}
    assert density_context(alone)["sentences"] == []


def profile(**means) -> dict:
    return scored(share=0.5, movement=0.5, **means)


def kinds(flux=0.4) -> dict:
    random = profile(spectral_flux=0.5, magnitude=1.0)
    return {
        "arm": "mdn",
        "archetypes": False,
        "frame_rate": 50.0,
        "components": 3,
        "agreement": 0.7,
        "shares": [0.5, 0.0, 0.5],
        "features": ["spectral_flux", "magnitude"],
        "spread": {"spectral_flux": 1.0, "magnitude": 1.0},
        "explained": {
            "responsibility": scored(spectral_flux=flux, magnitude=0.3),
            "gating": scored(spectral_flux=0.2, magnitude=0.1),
            "random": scored(spectral_flux=0.0, magnitude=0.0),
        },
        "shown": [
            {
                "component": 0,
                "profile": profile(spectral_flux=1.5, magnitude=1.0),
                "random": random,
                "exemplars": [
                    {"utterance_id": "u", "speaker_id": "s0", "frame": 50, "seconds": 1.0, "clip": "UklGRg=="}
                ],
            },
            {
                "component": 2,
                "profile": profile(spectral_flux=0.5, magnitude=0.2),
                "random": random,
                "exemplars": [],
            },
        ],
    }


def test_components_are_named_after_what_sets_them_apart() -> None:
    context = components_context(kinds())
    assert [row["character"] for row in context["rows"]] == ["changing spectrum", "small steps"]
    assert context["sentence"].startswith(
        "Beyond what random groups explain, components explain a share of the variance of spectral flux"
    )
    assert context["left_out"] == 1 and context["agreement"] == "70 %" and context["used"] == "2.00"
    assert [exhibit["name"] for exhibit in context["exhibits"]] == [1]


def test_parts_of_several_representations_have_ids_of_their_own_and_say_whose_they_are() -> None:
    page = density_section({"one": measured(-60), "lost": {}, "two": measured(0)}, 0.95).html
    ids = _Page(page).ids
    assert {"density", "density-2"} <= set(ids) and len(ids) == len(set(ids))
    assert "frames of one?" in page and "frames of two?" in page and "lost" not in page
    assert density_section({"lost": {}}, 0.95) is None and mixture_section({}, 0.95) is None


def test_components_that_tell_nothing_are_no_acoustic_events() -> None:
    assert "no acoustic events" in components_context(kinds(flux=0.0))["sentence"]
    deaf = kinds() | {"features": ["magnitude"], "spread": {"magnitude": 1.0}}
    context = components_context(deaf)
    assert "no acoustic tracks" in context["sentence"] and not context["acoustics"]


def test_both_parts_render_without_an_address_outside() -> None:
    page = density_section({"codec": measured(-60)}, 0.95).html
    page += mixture_section({"codec": kinds()}, 0.95).html
    addresses = re.findall(r'(?:src|href)="([^"#]+)', page)
    assert addresses and all(address.startswith("data:audio/wav;base64,") for address in addresses)
    for words in ("have left the manifold", "true frames + 0.3 std noise", "80", "changing spectrum"):
        assert words in page, words
    assert {"density", "components"} <= set(_Page(page).ids)  # which also refuses what is not closed
