"""Parts of the engine on the real task, with networks small enough to be looked at."""

import math

import pytest
import torch
from torch import nn

from harness.engine.artifact import load_model, save_model
from harness.engine.checks import check_compression, require_passed
from harness.engine.context import StageContext
from harness.engine.costs import count_convolutions, count_macs, count_params
from harness.engine.seeding import derive_seed, seeded
from harness.engine.stages.recover import _fresh, merge_recipes
from harness.engine.training import train
from harness.engine.workbench import model_config, open_workbench, resolve_device
from harness.errors import CheckFailedError, NonFiniteLossError, ShapeMismatchError, UserError
from harness.plan.choice import stated
from harness.plan.job import StageJob
from harness.plan.plan import make_plan
from harness.registry import Check, LoaderRequest, TrainingRecipe, discover
from harness.spec.benchmark import Benchmark
from harness.spec.budget import TrainingBudget
from harness.store.artifact import ModelBase, ModelFile


@pytest.fixture
def job(tmp_path):
    benchmark = Benchmark.model_validate(
        {
            "methods": ["l1"],
            "controls": [],
            "ratios": [0.5],
            "datasets": [{"name": "digits", "size": 32}],
            "calibration": {"samples": 6, "batch_size": 4},
        }
    )
    stages = {stage.kind: stage for stage in make_plan(benchmark, discover()).stages}
    # The compress stage's parameters, with the model's beside them, serve every part that is tested here.
    parameters = {**stages["train"].fields.parameters, **stages["compress"].fields.parameters}
    plugins = {**stages["train"].fields.plugins, **stages["compress"].fields.plugins}
    fields = stages["compress"].fields.model_copy(update={"parameters": parameters, "plugins": plugins})
    return StageJob(
        fields=fields, identity=f"id-{tmp_path.name}", label="x", inputs={}, work=tmp_path, root=tmp_path, device="cpu"
    )


@pytest.fixture
def bench(job):
    return open_workbench(job, lambda done, total, text: None)


@pytest.fixture
def model(bench):
    with seeded(0):
        return bench.task.build(model_config(bench)).eval()


@pytest.fixture
def file(bench):
    return ModelFile(base=ModelBase(task="segmentation", name="residual_fcn", config=model_config(bench)))


def verdicts(checks):
    return {check.name: check.verdict for check in checks}


def test_macs_of_a_convolution_by_hand():
    class Plain:
        def predict(self, network, images):
            return network(images)

    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 5, 1))
    images = torch.zeros(1, 3, 10, 12)
    assert count_macs(network, Plain(), images) == 10 * 12 * (3 * 8 * 9 + 8 * 5)
    assert count_params(network) == 3 * 8 * 9 + 8 + 8 * 5 + 5


@pytest.mark.parametrize("batch", [(), (2,)])
def test_products_that_are_added_in_place_count_too(batch):
    class InPlace:
        def predict(self, model, images):
            result = images.new_zeros(*batch, 3, 5)
            return getattr(result, "baddbmm_" if batch else "addmm_")(
                torch.ones(*batch, 3, 4), torch.ones(*batch, 4, 5)
            )

    assert count_macs(nn.Identity(), InPlace(), torch.zeros(1, 3, 2, 2)) == math.prod(batch) * 3 * 4 * 5


def test_modules_that_read_views_of_parameters_count_and_parameters_stay_trainable():
    class Viewing(nn.Module):
        def __init__(self):
            super().__init__()
            self.codes, self.frozen = nn.Parameter(torch.ones(4, 3)), nn.Parameter(torch.ones(2), requires_grad=False)
            self.layer = nn.Linear(3, 5)

    class Task:
        def predict(self, model, images):
            return model.layer(model.codes.view(4, 3))

    model = Viewing()
    assert count_macs(model, Task(), torch.zeros(1, 3, 2, 2)) == 4 * 3 * 5
    assert [parameter.requires_grad for parameter in model.parameters()] == [True, False, True, True]


def test_fused_attention_counts_too():
    class Tokens:
        def predict(self, model, images):
            return model(images.flatten(2).transpose(1, 2))

    layer = nn.TransformerEncoderLayer(4, 2, dim_feedforward=6, batch_first=True).eval()
    images = torch.randn(1, 4, 3, 5)
    projections, attention, feed_forward = 15 * 4 * 4 * 4, 2 * 15 * 15 * 4, 2 * 15 * 4 * 6
    assert count_macs(layer, Tokens(), images) == projections + attention + feed_forward


def test_convolutions_and_their_channels_are_counted():
    """Transposed ones and those of one dimension are other layers."""
    shared = nn.Conv2d(3, 5, 1)
    others = [nn.ConvTranspose2d(5, 7, 2), nn.Conv1d(3, 9, 1), nn.Linear(2, 8)]
    model = nn.Sequential(shared, nn.Sequential(nn.Conv2d(5, 4, 3, groups=1), shared), *others)
    assert count_convolutions(model) == {"layers": 2, "channels": 9}
    assert count_convolutions(nn.Linear(2, 8)) == {"layers": 0, "channels": 0}


def test_shared_parameters_count_once():
    layer = nn.Linear(4, 4)
    assert count_params(nn.Sequential(layer, layer)) == 20


def test_seeds_differ_by_purpose_and_global_state_is_restored():
    assert derive_seed(0, "a") == derive_seed(0, "a")
    assert len({derive_seed(seed, purpose) for seed in (0, 1) for purpose in ("a", "b")}) == 4
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    with seeded(1):
        torch.rand(3)
    assert torch.equal(torch.rand(1), expected)


def test_calibration_reads_the_training_split_in_a_fixed_order(bench, monkeypatch):
    asked = []
    loader = bench.dataset.loader
    monkeypatch.setattr(type(bench.dataset), "loader", lambda self, request: asked.append(request) or loader(request))
    context = StageContext(bench)
    first = [batch["inputs"] for batch in context.calibration_batches()]
    second = [batch["inputs"] for batch in context.calibration_batches()]
    assert {request.split for request in asked} == {"train"}
    assert sum(len(batch) for batch in first) == 6
    assert all(torch.equal(a, b) for one, two in zip(first, second, strict=True) for a, b in zip(one, two, strict=True))
    most = context.samples_read
    assert most == sum(map(len, first))
    context.samples_read = 0
    assert sum(len(batch["inputs"]) for batch in context.calibration_batches(samples=3)) == 3
    assert context.samples_read == 3


def test_an_unchanged_model_passes_and_has_no_parameters_fewer(bench, model):
    statistics = {name: value.clone() for name, value in model.state_dict().items()}
    checks = verdicts(check_compression(model, model, StageContext(bench), {}))
    assert checks == {
        "forward_at_input_size": "pass",
        "forward_at_second_size": "pass",
        "parameters_fewer": "not_applicable",
        "gradients_flow": "pass",
    }
    assert all(torch.equal(value, statistics[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_model_with_other_outputs_fails(bench, model, file, tmp_path):
    save_model(tmp_path / "m", file, model)
    other = load_model(tmp_path / "m", bench.registry).model
    other.decode_head.conv_seg = nn.Conv2d(other.decode_head.conv_seg.in_channels, 7, 1)
    other.decode_head.num_classes = other.decode_head.out_channels = 7
    checks = check_compression(model, other, StageContext(bench), {})
    assert verdicts(checks)["forward_at_input_size"] == "fail"
    with pytest.raises(CheckFailedError, match="forward_at_input_size"):
        require_passed(checks)


def test_a_larger_model_fails(bench, model, file, tmp_path):
    save_model(tmp_path / "m", file, model)
    larger = load_model(tmp_path / "m", bench.registry).model
    larger.spare = nn.Linear(10, 10)
    assert verdicts(check_compression(model, larger, StageContext(bench), {}))["parameters_fewer"] == "fail"


def test_a_part_that_no_gradient_reaches_fails(bench, model, file, tmp_path):
    save_model(tmp_path / "m", file, model)
    frozen = load_model(tmp_path / "m", bench.registry).model
    for parameter in frozen.backbone.parameters():
        parameter.requires_grad_(False)
    (check,) = [c for c in check_compression(model, frozen, StageContext(bench), {}) if c.name == "gradients_flow"]
    assert check.verdict == "fail"
    assert "backbone." in check.detail


def test_memory_that_runs_out_in_a_check_says_nothing_about_the_model(bench, model, file, tmp_path, monkeypatch):
    save_model(tmp_path / "m", file, model)
    other = load_model(tmp_path / "m", bench.registry).model

    def predict(self, network, images):
        if network is other:
            message = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
            raise RuntimeError(message)
        return images

    monkeypatch.setattr(type(bench.task), "predict", predict)
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        check_compression(model, other, StageContext(bench), {})


def test_only_fail_fails():
    require_passed([Check(name="a", verdict="pass"), Check(name="b", verdict="not_applicable", detail="why")])


def test_artifact_weights_that_do_not_fit_are_refused(bench, model, file, tmp_path):
    save_model(tmp_path / "m", file, model)
    from safetensors.torch import load_file, save_file

    path = tmp_path / "m" / "weights.safetensors"
    weights = load_file(path)
    weights["decode_head.conv_seg.bias"] = torch.zeros(3)
    save_file(weights, path)
    with pytest.raises(ShapeMismatchError, match="conv_seg"):
        load_model(tmp_path / "m", bench.registry)
    path.write_bytes(b"garbage")
    with pytest.raises(UserError, match="cannot be read"):
        load_model(tmp_path / "m", bench.registry)
    path.unlink()
    with pytest.raises(UserError, match=r"weights\.safetensors"):
        load_model(tmp_path / "m", bench.registry)


def test_a_transform_newer_than_its_plugin_is_refused(bench, model, file, tmp_path):
    newer = file.model_copy(
        update={"transforms": [{"kind": "prune", "version": 99, "payload": {}}]},
    )
    save_model(tmp_path / "m", ModelFile.model_validate(newer.model_dump()), model)
    with pytest.raises(UserError, match="version 99"):
        load_model(tmp_path / "m", bench.registry)


@pytest.mark.parametrize("schedule", ["onecycle", "poly", "cosine", "constant"])
def test_training_takes_the_steps_of_its_budget(bench, model, tmp_path, schedule):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    seen = []
    outcome = _train(bench, model, tmp_path, schedule=schedule, iterations=3, progress=lambda *told: seen.append(told))
    assert outcome.iterations == 3
    assert outcome.final_loss > 0
    assert seen[-1][:2] == (3, 3)
    assert seen[-1][2].startswith("loss ")
    changed = [name for name, value in model.state_dict().items() if not torch.equal(value, before[name])]
    assert any(name.endswith("conv1.weight") for name in changed)


def test_a_loss_that_is_not_finite_ends_the_training(bench, model, tmp_path):
    with torch.no_grad():
        model.decode_head.conv_seg.weight.fill_(float("nan"))
    with pytest.raises(NonFiniteLossError, match="iteration 2 of 2"):
        _train(bench, model, tmp_path, schedule="constant", iterations=2)


def test_weights_that_the_last_step_breaks_end_the_training_too(bench, model, tmp_path):
    huge = {"type": "SGD", "lr": 100.0, "weight_decay": 1e38}
    with pytest.raises(NonFiniteLossError, match=r"weights are not finite behind the last iteration \(backbone\."):
        _train(bench, model, tmp_path, schedule="constant", iterations=1, optimizer=huge)


def _train(bench, model, work, *, schedule, iterations, progress=lambda *told: None, **more):
    budget = TrainingBudget.model_validate(
        {"iterations": iterations, "batch_size": 2, "schedule": {"type": schedule}, **more}
    )
    request = LoaderRequest(split="train", batch_size=2, shuffle=True, iterations=iterations)
    return train(
        model,
        loader=bench.dataset.loader(request),
        budget=budget,
        seed=0,
        scope=bench.scope,
        name=f"{work.name}-{schedule}",
        work=work / "mmengine",
        progress=progress,
    )


def test_recipes_merge():
    merged = merge_recipes([TrainingRecipe(hooks=["a"]), TrainingRecipe(hooks=["b"], reinitialize=True)])
    assert merged == TrainingRecipe(hooks=["a", "b"], reinitialize=True)
    assert merge_recipes([TrainingRecipe()]) == TrainingRecipe()


@pytest.mark.parametrize("name", ["gpu", "cuda:0", "cpu:x"])
def test_devices_that_are_not_there(name):
    if name == "cuda:0" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UserError, match="--device"):
        resolve_device(name)


def test_the_device_is_mmengines_too(bench):
    from mmengine.device import get_device

    assert bench.device == torch.device("cpu")
    assert get_device() == "cpu"


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        ({"amp": True}, "amp: "),
        ({"optimizer": {"type": "Adaam", "lr": 0.1}}, "optimizer.type"),
        ({"optimizer": {"type": "SGD"}}, "needs a peak"),
    ],
)
def test_budgets_that_cannot_be_trained_with_are_the_users_mistake(bench, model, tmp_path, budget, expected):
    request = LoaderRequest(split="train", batch_size=2, shuffle=True, iterations=1)
    with pytest.raises(UserError, match=expected):
        train(
            model, loader=bench.dataset.loader(request), budget=TrainingBudget(iterations=1, **budget), seed=0,
            scope=bench.scope, name="x", work=tmp_path, progress=lambda *told: None,
        )  # fmt: skip


def test_scratch_starts_from_the_models_own_initialisation(bench, model, file):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(7.0)
    fresh = _fresh(file, bench)
    again = _fresh(file, bench)
    assert all(torch.equal(one, other) for one, other in zip(fresh.parameters(), again.parameters(), strict=True))
    assert not any((parameter == 7.0).any() for parameter in fresh.parameters())
    # mmseg's own: N(0, 0.01) for the classifier; torch's default would be about ten times as wide.
    assert 0.005 < float(fresh.decode_head.conv_seg.weight.detach().std()) < 0.02


def test_a_method_that_claims_more_than_it_did_fails(bench, model):
    (check,) = [
        c
        for c in check_compression(model, model, StageContext(bench), {"channels": 0.5})
        if c.name == "parameters_fewer"
    ]
    assert check.verdict == "fail"
    assert "50.0% of channels" in check.detail


def test_sources_that_changed_since_planning_are_refused(job):
    plugins = {role: {**plugin, "source": "0" * 64} for role, plugin in job.fields.plugins.items()}
    changed = job.model_copy(update={"fields": job.fields.model_copy(update={"plugins": plugins})})
    with pytest.raises(UserError, match="was changed while the run was going on"):
        open_workbench(changed, lambda done, total, text: None)


def test_a_distribution_that_only_extends_the_method_is_no_changed_source(job, tmp_path, monkeypatch):
    """Rules of modules that are still being edited: what was planned with them is run with them."""
    (tmp_path / "rules_of_tests.py").write_text("RULES = {}")
    info = tmp_path / "rules_of_tests-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: rules-of-tests\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bench_pruning.rules]\nmine = rules_of_tests:RULES\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = discover()
    planned = registry.provenance(registry.method("l2"))
    assert planned["rules-of-tests"]["source"] is not None
    fields = job.fields
    method = {"name": "l2", "options": {}}
    extended = fields.model_copy(
        update={
            "parameters": {**fields.parameters, "method": method},
            "plugins": {**fields.plugins, **stated("method", planned)},
        }
    )
    opened = open_workbench(job.model_copy(update={"fields": extended}), lambda done, total, text: None)
    assert opened.parameters["method"] == method


def test_a_method_trains_through_its_context(bench, model):
    context, budget = StageContext(bench), TrainingBudget(iterations=2, batch_size=2)
    before = [parameter.clone() for parameter in model.parameters()]
    assert context.train(model, budget, "sparse") == 2
    assert any(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    assert context.train(model, budget, "more") == 2
    assert context.iterations == 4
    assert StageContext(bench, most_iterations=1).train(model, budget, "checked") == 1
