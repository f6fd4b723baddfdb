import copy
import random

import pytest
import torch
from one_op_case import images, shaken
from one_op_networks import CASES
from op_suite import TOLERANCE, difference, examine, pruned_copy, random_choice, run, silenced_sources
from pruning_fakes import FakeTask

from bench_pruning.channels.recipe import recipe
from bench_pruning.channels.tracing import trace

BY_NAME = {case.name: case for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=BY_NAME)
def test_an_operation_is_pruned_right_or_pinned_or_refused(case):
    finding = examine(case)
    assert (finding.outcome, finding.size) == (case.outcome, case.size), finding.reason
    assert finding.value <= TOLERANCE
    assert finding.effect > 1e-3
    assert finding.outcome in ("exact", "balanced") or finding.reason
    assert not [check for check in finding.checks if check.verdict == "fail"]


def test_every_network_has_a_name_of_its_own():
    assert len(BY_NAME) == len(CASES) >= 60


@pytest.mark.parametrize("name", ["plain", "cat of swapped chunks", "pixel_unshuffle", "depthwise, multiplier 6"])
def test_the_comparison_notices_channels_cut_from_the_wrong_column(name):
    torch.manual_seed(1)
    model = shaken(BY_NAME[name].build())
    groups = trace(model, FakeTask(), images()).prunable
    kept = random_choice(groups, random.Random(0), three=True)
    smaller = pruned_copy(model, groups, kept)
    right = run(silenced_sources(model, recipe(model, groups, kept)["kept"]))
    assert difference(right, run(smaller)) <= TOLERANCE
    wrong = copy.deepcopy(smaller)
    wrong.second.weight.data = wrong.second.weight.data.roll(1, dims=1)
    assert difference(right, run(wrong)) > 1e-3
