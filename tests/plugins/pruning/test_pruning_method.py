import copy
import json

import pytest
import torch
from pruning_fakes import Chain, FakeContext, Residual, Separable, Swapped, conv, randomize
from torch import nn

from bench_pruning.channels.rules import elementwise, operations
from bench_pruning.channels.tracing import trace
from bench_pruning.criteria.l1 import L1
from bench_pruning.descriptors import PRUNE, RANDOM, PruningOptions, pruning_method
from bench_pruning.descriptors.fpgm import FPGM
from bench_pruning.method import PruningMethod
from harness.errors import PluginError, UnsupportedOperationError, UserError
from harness.spec.setting import Budget


def compress(model, ratio, *, method=L1, context=None, **options):
    chosen = method(options=PruningOptions(**options))
    context = context or FakeContext()
    return chosen.compress(model, ratio, chosen.prepare(model, context), context)


def filters(layer):
    return {tuple(row) for row in layer.weight.detach().flatten(1).tolist()}


def test_a_ratio_removes_that_share_of_each_group_and_says_so():
    model = randomize(Residual())
    result = compress(model, 0.5)
    assert (model.stem.out_channels, model.inner.out_channels, model.head.out_channels) == (4, 3, 4)
    assert result.achieved == {"channels": pytest.approx(9 / 19)}
    assert result.details["layers"]["outer"] == {"before": 8, "after": 4, "group": "stem"}
    assert {"module": "head", "reason": "it reaches an output of the network"} in result.details["pinned"]
    assert result.details["options"]["allocation"] == "uniform"
    assert {check.name: check.verdict for check in result.checks} == {
        "masked_equals_physical": "pass",
        "predicted_costs_equal_counted": "pass",
    }


def test_the_lowest_scores_go():
    model = Chain()
    with torch.no_grad():
        model.first.weight.mul_(torch.tensor([1, 9, 1, 9, 1, 9, 1, 9.0])[:, None, None, None])
    strong = model.first.weight.detach()[1::2].clone()
    compress(model, 0.5)
    assert torch.equal(model.first.weight, strong)


def test_ratio_zero_is_the_identity():
    model = randomize(Residual())
    before = copy.deepcopy(model.state_dict())
    result = compress(model, 0.0)
    assert all(torch.equal(value, before[name]) for name, value in result.model.state_dict().items())
    assert result.transforms[0].payload["kept"] == result.transforms[0].payload["attributes"] == {}
    assert result.achieved == {"channels": 0.0}
    assert result.checks[0].verdict == "not_applicable"


def test_global_allocation_meets_the_ratio_over_all_channels():
    model = randomize(Residual())
    with torch.no_grad():
        model.inner.weight.mul_(100)
    result = compress(model, 0.5, allocation="global", normalizer="none")
    assert result.achieved["channels"] == pytest.approx(9 / 19)
    assert model.inner.out_channels == 6
    assert result.checks[0].verdict == "pass"


def test_round_to_and_min_channels_reach_the_model():
    model = Residual()
    compress(model, 0.7, round_to=4)
    assert (model.stem.out_channels, model.inner.out_channels, model.auxiliary_inner.out_channels) == (
        4,
        4,
        4,
    )
    model = Residual()
    compress(model, 0.9, min_channels=3)
    assert (model.stem.out_channels, model.inner.out_channels) == (3, 3)


def test_one_state_serves_all_ratios_after_a_json_round_trip():
    context, method = FakeContext(), L1(options=PruningOptions())
    dense = randomize(Separable())
    state = method.prepare(copy.deepcopy(dense), context)
    state.data = json.loads(json.dumps(state.data))
    widths = []
    for ratio in (0.25, 0.5, 0.75):
        model = copy.deepcopy(dense)
        result = method.compress(model, ratio, state, context)
        assert result.checks[0].verdict == "pass"
        json.dumps([result.transforms[0].payload, result.details])
        widths.append(model.point.out_channels)
    assert widths == [6, 4, 2]


@pytest.mark.parametrize(("ratio", "share"), [(0.3, 0.51), (0.5, 0.75)])
def test_a_ratio_of_channels_removes_about_one_minus_its_square_of_parameters(ratio, share):
    """1 - (1 - p)^2, where both sides of a layer lose p."""
    model = nn.Sequential(*[conv(100, 100) for _ in range(8)])
    model[0] = conv(3, 100)
    before = sum(parameter.numel() for parameter in model[1:7].parameters())
    compress(model, ratio)
    after = sum(parameter.numel() for parameter in model[1:7].parameters())
    assert 1 - after / before == pytest.approx(share, abs=0.001)


def test_permuting_a_layers_channels_permutes_what_is_kept():
    one, other = randomize(Chain()), randomize(Chain())
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    other.load_state_dict(one.state_dict())
    with torch.no_grad():
        other.first.weight.copy_(one.first.weight[order])
    for model in (one, other):
        compress(model, 0.5)
    assert filters(one.first) == filters(other.first)


def test_progress_is_reported_for_every_group():
    context = FakeContext()
    compress(Residual(), 0.5, context=context)
    assert context.reports == [(1, 3, "stem"), (2, 3, "inner"), (3, 3, "auxiliary_inner")]


def test_the_halves_of_a_swapped_concatenation_shrink_alike():
    result = compress(randomize(Swapped()), 0.5)
    assert result.details["layers"]["first"] == {"before": 8, "after": 4, "group": "first"}
    assert result.checks[0].verdict == "pass"


class Flipped(Chain):
    def forward(self, x):
        return self.classifier(self.second(self.norm(self.first(x)).flip(1)))


def test_a_wrong_rule_is_found_out_by_the_trial_and_its_channels_stay(monkeypatch):
    monkeypatch.setitem(operations.RULES, "flip", elementwise.same)
    result = compress(randomize(Flipped()), 0.5)
    assert "first" not in result.details["layers"]
    assert "second" in result.details["layers"]
    assert result.checks[0].verdict == "pass"
    (note,) = result.details["notes"]
    assert note.startswith("pinned `first`: outputs differ by")


def test_a_wrong_group_that_no_trial_saw_fails_the_check(monkeypatch):
    monkeypatch.setitem(operations.RULES, "flip", elementwise.same)
    monkeypatch.setattr("bench_pruning.method.tried_trace", lambda *given: trace(*given[:3]))
    model = randomize(Flipped())
    with torch.no_grad():
        # What stays must not be its own mirror image.
        model.first.weight.mul_(torch.tensor([1, 9, 1, 9, 1, 9, 1, 9.0])[:, None, None, None])
    result = compress(model, 0.5)
    assert "first" in result.details["layers"]
    assert result.checks[0].verdict == "fail"


def test_records_say_how_many_samples_were_read_and_with_which_seed():
    class Counting(FakeContext):
        def calibration_batches(self, samples=None):
            for batch in super().calibration_batches(samples):
                self.samples_read = max(self.samples_read, len(batch))
                yield batch

    class Reader(L1):
        def collect(self, model, groups, context):
            next(context.calibration_batches(samples=7))
            return {}

    for criterion, samples in ((L1, 0), (Reader, 7)):
        chosen, context = criterion(options=PruningOptions()), Counting(seed=3)
        state = chosen.prepare(randomize(Chain()), context)
        details = chosen.compress(randomize(Chain()), 0.5, state, context).details
        assert details["calibration"] == {"samples": samples, "seed": 3}


def test_a_criterion_may_collect_statistics_once():
    class Collected(PruningMethod):
        def collect(self, model, groups, context):
            assert [group.name for group in groups] == ["first", "second"]
            assert model.first.out_channels == 8
            return {"offset": torch.tensor(2.0)}

        def score(self, group, statistics):
            return torch.arange(group.size) * -statistics["offset"]

    model = Chain()
    first = model.first.weight.detach()[:4].clone()
    compress(model, 0.5, method=Collected)
    assert torch.equal(model.first.weight, first)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda size: torch.ones(size + 1), r"shape \[9\], not \[8\]"),
        (lambda size: torch.ones(size, 1), r"shape \[8, 1\]"),
        (lambda size: torch.full((size,), float("nan")), "not finite"),
        (lambda size: torch.full((size,), float("inf")), "not finite"),
        (lambda size: torch.ones(size, dtype=torch.long), "int64"),
        (lambda size: [1.0] * size, "list"),
    ],
)
def test_scores_that_break_the_contract_name_method_and_group(returned, message):
    class Broken(PruningMethod):
        def score(self, group, statistics):
            return returned(group.size)

    with pytest.raises(PluginError, match=rf"Broken\.score returned .*{message}.* `first`"):
        Broken(options=PruningOptions()).prepare(Chain(), FakeContext())


@pytest.mark.parametrize("setting", [None, "int8", Budget("size", 0.5), -0.1, 1.0, True])
def test_other_settings_are_the_users_mistake(setting):
    with pytest.raises(UserError, match="ratio"):
        compress(Chain(), setting)


@pytest.mark.parametrize("of", ["params", "macs"])
def test_a_ratio_of_parameters_or_macs_is_met_and_predicted_exactly(of):
    model = randomize(Chain(width=128))
    result = compress(model, 0.5, context=FakeContext(ratio_of=of), allocation="global")
    target = result.details["target"]
    assert (target["of"], target["missed"]) == (of, False)
    assert target["reached"] == pytest.approx(0.5, abs=0.01)
    assert result.checks[1].verdict == "pass"
    if of == "params":
        assert target["predicted"] == sum(parameter.numel() for parameter in model.parameters())


def test_a_wrong_prediction_of_costs_fails_its_check():
    chosen, context, model = L1(options=PruningOptions()), FakeContext(), Chain()
    state = chosen.prepare(model, context)
    state.data["macs"]["terms"][0][0] += 1
    check = chosen.compress(model, 0.5, state, context).checks[1]
    assert check.verdict == "fail"
    assert "macs: predicted" in check.detail


def test_compensated_biases_keep_what_dead_channels_contributed():
    dying = randomize(Chain())
    with torch.no_grad():
        dying.norm.weight[::2] = 0
        dying.first.weight[::2] = 0
    images = torch.randn(1, 3, 16, 16)
    expected = dying.eval()(images)
    plain, compensated = (
        compress(copy.deepcopy(dying), 0.5, bias_compensation=on, protect="second") for on in (False, True)
    )
    inner = (slice(None), slice(None), slice(4, 12), slice(4, 12))
    errors = [float((result.model.eval()(images) - expected)[inner].abs().max()) for result in (plain, compensated)]
    assert plain.checks[0].verdict == compensated.checks[0].verdict == "pass"
    assert errors[1] < 1e-5 < 1e-2 < errors[0]
    assert compensated.details["compensation"]["absorbed"]
    assert "compensation" not in plain.details


def test_recalibration_moves_the_running_statistics_and_nothing_else():
    torch.manual_seed(0)
    dense = randomize(Chain())
    plain = compress(copy.deepcopy(dense), 0.5).model.state_dict()
    result = compress(copy.deepcopy(dense), 0.5, recalibrate=4)
    changed = {name for name, value in result.model.state_dict().items() if not torch.equal(value, plain[name])}
    assert {name.rpartition(".")[2] for name in changed} <= {"running_mean", "running_var", "num_batches_tracked"}
    assert {"norm.running_mean", "second_norm.running_var"} <= changed
    assert result.details["recalibrated_on"] == 4


def test_protected_layers_stay_and_the_record_names_them():
    model = Residual()
    result = compress(model, 0.5, protect="inner")
    assert (model.inner.out_channels, model.stem.out_channels) == (6, 4)
    assert result.details["protected"] == ["inner"]


def test_a_model_without_a_prunable_channel_is_refused_with_reasons():
    with pytest.raises(UnsupportedOperationError, match="`0`: it reaches an output"):
        compress(nn.Sequential(conv(3, 2)), 0.5)


def test_descriptors_say_what_the_harness_needs():
    assert (FPGM.family, FPGM.kind, FPGM.axis, FPGM.default_recovery) == (
        "pruning",
        "compressor",
        "ratio",
        "finetune",
    )
    assert FPGM.has_prepare
    assert FPGM.needs == {"weights"}
    assert RANDOM.needs == frozenset()
    assert (PRUNE.name, PRUNE.version) == ("prune", 2)
    own = pruning_method(name="x", summary="y", implementation="a:B", needs=frozenset({"gradients"}))
    assert (own.needs, own.axis, own.options) == ({"gradients"}, "ratio", PruningOptions)


@pytest.mark.parametrize("wrong", [{"round_to": 0}, {"min_channels": 0}, {"allocation": "local"}, {"p": 1}])
def test_options_are_validated(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PruningOptions(**wrong)
