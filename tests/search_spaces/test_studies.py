"""What every study must be: data that the rest of the project can act on."""

import dataclasses
import re
import subprocess
import sys

import pytest

import search_spaces
from orchestrator.planning.plan import make_plan
from orchestrator.records.ablation_evidence import stand_ins, variants
from search_spaces.domains import Choice, Integer, Uniform
from search_spaces.study import OTHERS, REFERENCE, Prior, Role, Study, StudyError, bound, criteria_hash
from trainables.errors import InputError

STUDIES = [search_spaces.load(name) for name in search_spaces.names()]
VERDICTS = ("GO", "NO-GO", "INCONCLUSIVE", "INADMISSIBLE")


def _corners(space):
    """The domains' extreme values, by which every setting can be tried."""
    for pick in (0, -1):
        yield {name: _ends(domain)[pick] for name, domain in space.items()}


def _ends(domain):
    return domain.options if isinstance(domain, Choice) else (domain.low, domain.high)


@pytest.mark.parametrize("study", STUDIES, ids=lambda s: s.name)
class TestEveryStudy:
    def test_is_found_under_its_own_name(self, study: Study):
        assert search_spaces.load(study.name) is study

    def test_settings_are_known_to_the_learner(self, study: Study):
        if study.missing:
            return  # there is no learner yet
        study = bound(study, ["a", "b", "c"] if study.compares else ["a"])
        plan = make_plan(study, frame_rates=dict.fromkeys(("", "a", "b", "c"), 50.0))
        for arm in study.arms:
            for corner in _corners(plan.space(arm)):
                structure = plan.lane_config({**plan.fixed(arm), **corner}).structure
                assert arm.trainable != "predictor" or structure.horizon >= 16

    def test_every_component_can_be_taken_out_of_whatever_the_search_chooses(self, study: Study):
        if study.missing or not study.components:
            return
        plan, arm = make_plan(study), study.arm(study.primary.arm)
        for corner in _corners(plan.space(arm)):
            winner = plan.lane_config({**plan.fixed(arm), **corner})
            for variant in variants(study):
                whole = winner | variant.given
                without = whole | stand_ins(whole, variant)  # refused where settings clash
                assert without.structure.horizon == winner.structure.horizon

    def test_no_setting_is_both_fixed_and_searched(self, study: Study):
        for arm in study.arms:
            assert not (set(study.fixed) | set(arm.fixed)) & (set(study.space) | set(arm.space))

    def test_domains_are_not_empty(self, study: Study):
        study = bound(study, ["a", "b", "c"] if study.compares else ["a"])
        for space in (study.space, *(arm.space for arm in study.arms)):
            for name, domain in space.items():
                if isinstance(domain, Choice):
                    assert len(set(domain.options)) == len(domain.options) > 1, name
                else:
                    assert isinstance(domain, Uniform | Integer) and domain.low < domain.high, name
                    assert not domain.log or domain.low > 0, name

    def test_every_verdict_has_a_consequence(self, study: Study):
        assert all(study.consequences[verdict] for verdict in VERDICTS)

    def test_thresholds_are_ordered_and_sourced(self, study: Study):
        assert all(c.failure <= c.success and c.source for c in study.criteria)


@pytest.mark.parametrize(
    "setting", ["input_noise", "rollout_target", "rollout_gradient", "temperature", "coupling", "backbone"]
)
def test_a_setting_that_may_matter_is_searched_or_taken_out_in_a_study_that_runs(setting):
    running = [study for study in STUDIES if not study.missing]
    searched = [space for study in running for space in (study.space, *(arm.space for arm in study.arms))]
    taken_out = [component.neutral for study in running for component in study.components]
    assert any(setting in names for names in (*searched, *taken_out))


def test_exploration_maximises_a_graded_metric_in_every_study():
    one_step = ("predictive", "-nll")  # graded already
    # Of studies without predictors.
    others = ("shared_tightness", "quality", "-quality_loss", "readout_information", "skill_gained")
    for study in STUDIES:
        graded = study.objective.startswith(one_step) or re.search(r"@[12]-\d+$", study.objective)
        assert graded or study.objective in others, study.name


def test_vmf_vs_mdn_is_what_the_research_document_states():
    study = search_spaces.load("vmf_vs_mdn")
    primary = study.primary
    assert (primary.metric, primary.arm, primary.success, primary.failure) == ("cos@16", "vmf", 0.6, 0.3)
    assert primary.beats_null and study.prior.probability == 0.60 and study.objective == "cos@2-16"
    required = [c for c in study.criteria if c.role is Role.REQUIRED]
    assert [(c.metric, c.arm, c.versus, c.needs_decoder) for c in required] == [
        ("continuation_quality", "vmf", "mdn", True),
        ("preference", "vmf", "mdn", True),
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("vmf_vs_mnd", "did you mean 'vmf_vs_mdn'?"),
        ("study", "unknown study 'study'"),  # a module of the package, but no study
        ("quite_else", f"(studies: {', '.join(sorted(search_spaces.names()))})"),
    ],
)
def test_an_unknown_study_is_one_helpful_sentence(name, said):
    with pytest.raises(StudyError) as error:
        search_spaces.load(name)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_study_that_contradicts_itself_is_refused():
    study = search_spaces.load("vmf_vs_mdn")
    with pytest.raises(StudyError, match="it needs one"):
        dataclasses.replace(study, criteria=study.criteria[1:])
    with pytest.raises(StudyError, match="names the arm 'nobody'"):
        dataclasses.replace(study, criteria=(dataclasses.replace(study.criteria[0], arm="nobody"),))
    with pytest.raises(StudyError, match="between 0 and 1"):
        dataclasses.replace(study, prior=Prior(1.0, "nobody"))


def test_a_study_whose_parts_do_not_exist_yet_says_what_it_waits_for():
    study = dataclasses.replace(search_spaces.load("two_stage"), missing="a sampler of magnitudes")
    with pytest.raises(InputError, match="'two_stage' cannot run yet: it waits for a sampler of magnitudes$"):
        make_plan(study)


def test_the_seal_covers_what_decides_and_nothing_else():
    study = search_spaces.load("vmf_vs_mdn")
    seal = criteria_hash(study)
    moved = dataclasses.replace(study.criteria[0], success=0.59)
    changed = [
        dataclasses.replace(study, criteria=(moved, *study.criteria[1:])),
        dataclasses.replace(study, objective="cos@1"),
        dataclasses.replace(study, budget=dataclasses.replace(study.budget, alpha=0.1)),
    ]
    assert len({seal, *map(criteria_hash, changed)}) == 4
    assert (
        criteria_hash(dataclasses.replace(study, budget=dataclasses.replace(study.budget, trials=99))) == seal
    )
    assert criteria_hash(dataclasses.replace(study, fixed={**study.fixed, "width": 8})) == seal


def test_importing_the_studies_loads_neither_torch_nor_ray_nor_numpy():
    code = (
        "import sys, search_spaces; [search_spaces.load(n) for n in search_spaces.names()];"
        "loaded = {m.split('.')[0] for m in sys.modules};"
        "print(sorted(loaded & {'torch', 'ray', 'numpy', 'orchestrator', 'trainables'}))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_study_that_compares_is_bound_to_the_latents_given_and_only_to_several():
    study = search_spaces.load("representations")
    assert study.arm("reference").fixed["representation"] == REFERENCE
    assert study.arm("other").space["representation"] == Choice((OTHERS,), each=True)
    three = bound(study, ["mimi-12.5", "encodec", "soundstream"])
    assert three.arm("reference").fixed["representation"] == "mimi-12.5"
    assert three.arm("other").space["representation"] == Choice(("encodec", "soundstream"), each=True)
    two = bound(study, ["mimi-12.5", "encodec"])
    assert two.arm("other").fixed["representation"] == "encodec" and not two.arm("other").space
    assert criteria_hash(two) == criteria_hash(study)
    with pytest.raises(StudyError, match="'representations' compares .*; give at least two --latents"):
        bound(study, ["mimi-12.5"])
    with pytest.raises(
        StudyError, match="'vmf_vs_mdn' runs on one representation, and 2 --latents were given"
    ):
        bound(search_spaces.load("vmf_vs_mdn"), ["a", "b"])


def test_what_continuations_feed_back_is_judged_with_and_is_known():
    heads = search_spaces.load("heads")
    assert heads.continuation == "sample"
    assert criteria_hash(dataclasses.replace(heads, continuation="")) != criteria_hash(heads)
    with pytest.raises(StudyError, match="has continuation 'loud'; it must be one of mean, mode, sample, or"):
        dataclasses.replace(heads, continuation="loud")
