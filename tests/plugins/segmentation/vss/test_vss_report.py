"""The VSS format: exact names and keys, values from records, nothing invented."""

import json

import pytest
from cells import COMPARISON
from records import make_record

from bench_segmentation.vss.report import VSSReport, formatted
from harness.store.comparison import Comparison
from harness.store.record import Labels, Size

KEYS = {
    "dataset",
    "model_type",
    "input_size",
    "num_classes",
    "ignore_index",
    "baseline_results",
    "candidate_results",
    "miou_retention",
    "pixel_accuracy_retention",
    "baseline_speed",
    "candidate_speed",
    "speedup_latency",
    "speedup_fps",
    "baseline_flops_params",
    "candidate_flops_params",
    "pruning_ratios",
    "oracle_analysis",
    "reconstruction_mse",
    "evaluation_config",
}
OUR_KEYS = {"protocol", "seed", "pipeline"}
COUNTS = ({"layers": 5, "channels": 100}, {"layers": 5, "channels": 80})


def cell(
    pipeline,
    *,
    metrics=(0.6, 0.45),
    protocol="corrected",
    milliseconds=(8.0, 5.0),
    comparison=None,
    counts=COUNTS,
    labels=None,
    **changes,
):
    record = make_record(pipeline, **changes)
    if not record.steps:
        return record.model_dump(mode="json")
    shape = (1, 3, 64, 96)
    sizes = [
        Size(params=39_600_000, macs=182_300_000_000, input_shape=shape, bytes=1, convolutions=counts[0]),
        Size(params=28_100_000, macs=127_800_000_000, input_shape=shape, bytes=1, convolutions=counts[1]),
    ]
    models = [
        step.model_copy(update={"size": size, "metrics": figures(value)})
        for step, size, value in zip((record.baseline, record.steps[-1]), sizes, metrics, strict=True)
    ]
    latency = record.latency.model_copy(
        update={
            "batch_size": 2,
            "input_size": (64, 96),
            **{
                name: record.latency.baseline_ms.model_copy(update={"p50": value})
                for name, value in zip(("baseline_ms", "candidate_ms"), milliseconds, strict=True)
            },
        }
    )
    update = {"baseline": models[0], "steps": [models[1]], "protocol": protocol, "latency": latency}
    update |= {"comparison": comparison, "labels": labels}
    return record.model_copy(update=update).model_dump(mode="json")


def figures(value):
    return {
        "mIoU": value,
        "pixel_accuracy": value + 0.2,
        "mean_accuracy": value + 0.1,
        "fwIoU": value + 0.05,
        "mIoU_dataset_eps": value - 0.1,
        "mean_accuracy_dataset_eps": value - 0.05,
        "IoU.road": 0.5,
        "IoU.sky": 0.4,
    }


def written(*cells, benchmark=None):
    files = VSSReport().files(cells, benchmark or {"evaluation": {"batch_size": 4}})
    return {name: json.loads(text) for name, text in files.items()}


def test_an_experiments_report_has_the_original_keys():
    files = written(cell("fpgm@0.3+none", ratio=0.3))
    assert set(files) == {"benchmark_summary.json", "fpgm_0_30/report.json"}
    found = files["fpgm_0_30/report.json"]
    assert set(found) == KEYS | OUR_KEYS
    assert (found["protocol"], found["seed"], found["pipeline"]) == ("corrected", 0, "fpgm@0.3+none")
    assert found["baseline_results"] == {
        "mIoU": 0.6,
        "Pixel_Accuracy": pytest.approx(0.8),
        "Mean_Accuracy": pytest.approx(0.7),
        "Frequency_Weighted_IoU": pytest.approx(0.65),
    }
    assert found["miou_retention"] == pytest.approx(0.75)
    assert found["pixel_accuracy_retention"] == pytest.approx(0.65 / 0.8)
    assert (found["input_size"], found["num_classes"], found["ignore_index"]) == ([1, 3, 64, 96], 2, None)


@pytest.mark.parametrize(("classes", "ignored"), [(12, 11), (4, None)])
def test_classes_and_the_ignored_label_are_those_of_the_data_set(classes, ignored):
    known = cell("fpgm@0.3", ratio=0.3, labels=Labels(classes=classes, ignore_index=ignored))
    found = written(known)["fpgm_0_30/report.json"]
    assert (found["num_classes"], found["ignore_index"]) == (classes, ignored)


def test_speeds_costs_and_ratios():
    found = written(cell("fpgm@0.3+none", ratio=0.3))["fpgm_0_30/report.json"]
    assert found["baseline_speed"] == {"avg_ms_per_iter": 8.0, "fps": 250.0, "pixels_per_second": 250.0 * 64 * 96}
    assert found["speedup_latency"] == pytest.approx(1.6)
    assert found["speedup_fps"] == pytest.approx(1.6)
    assert found["baseline_flops_params"] == {
        "FLOPs": "182.300G",
        "Params": "39.600M",
        "FLOPs_raw": 182_300_000_000,
        "Params_raw": 39_600_000,
    }
    assert found["pruning_ratios"] == {
        "channel_prune_ratio": pytest.approx(0.2),
        "layer_prune_ratio": 0.0,
        "channels_before": 100,
        "channels_after": 80,
        "layers_before": 5,
        "layers_after": 5,
        "prunable_channel_reduction": 0.5,
    }


def test_ratios_mean_the_same_with_and_without_an_oracle():
    compared = Comparison.model_validate(COMPARISON)
    ratios = [
        written(cell("fpgm@0.3", ratio=0.3, comparison=comparison))["fpgm_0_30/report.json"]["pruning_ratios"]
        for comparison in (None, compared)
    ]
    assert ratios[0] == ratios[1]


@pytest.mark.parametrize("counts", [(None, None), (None, COUNTS[1])])
def test_models_of_earlier_versions_have_no_ratio_unless_a_comparison_has_counted_them(counts):
    files = written(cell("fpgm@0.3", ratio=0.3, counts=counts))
    (entry,) = files["benchmark_summary.json"]["results"]
    assert (entry["pruning_ratios"]["channel_prune_ratio"], entry["channel_reduction"]) == (None, None)
    assert entry["prunable_channel_reduction"] == 0.5
    compared = Comparison.model_validate(COMPARISON)
    found = written(cell("fpgm@0.3", ratio=0.3, counts=(None, None), comparison=compared))["fpgm_0_30/report.json"]
    assert found["pruning_ratios"]["channel_prune_ratio"] == 0.5
    assert found["pruning_ratios"]["channels_before"] == 40


def test_the_seed_protocol_has_the_originals_means():
    found = written(cell("fpgm@0.3+none", ratio=0.3, protocol="seed"))["fpgm_0_30/report.json"]
    assert found["candidate_results"]["mIoU"] == pytest.approx(0.35)
    assert found["candidate_results"]["Mean_Accuracy"] == pytest.approx(0.4)
    assert found["miou_retention"] == pytest.approx(0.35 / 0.5)


def test_the_summary_holds_every_report_flat_and_counts_failures():
    files = written(
        cell("fpgm@0.3+none", ratio=0.3),
        cell("l1@0.5+none"),
        cell("dmcp@0.5+scratch", status="failed"),
        cell("finetune", ratio=None),
    )
    summary = files["benchmark_summary.json"]
    assert summary["summary_stats"] == {
        "total_experiments": 3,
        "completed": 2,
        "failed": 1,
        "success_rate": pytest.approx(2 / 3),
    }
    flat = [(found["experiment_name"], found["method"], found["ratio"]) for found in summary["results"]]
    assert flat == [("fpgm_0_30", "fpgm", 0.3), ("l1_0_50", "l1", 0.5)]
    assert all(set(found) >= KEYS | OUR_KEYS | {"channel_reduction"} for found in summary["results"])
    assert [found["channel_reduction"] for found in summary["results"]] == [pytest.approx(0.2)] * 2
    (failed,) = summary["failed_experiments"]
    assert (failed["experiment_name"], failed["failure"]["kind"]) == ("dmcp_0_50", "oom")
    assert failed["pipeline"] == "dmcp@0.5+scratch"
    assert summary["benchmark_config"] == {
        "dataset": "digits",
        "model": "residual_fcn",
        "protocol": "corrected",
        "seed": 0,
        "baseline": "stages/baseline",
        "methods": ["dmcp", "fpgm", "l1"],
        "ratios": [0.3, 0.5],
        "input_size": "64,96",
        "batch_size": 4,
        "oracle_samples": None,
    }


def test_what_is_not_known_is_null():
    plain = make_record("l1@0.5+none").model_copy(update={"latency": None}).model_dump(mode="json")
    found = written(plain)["l1_0_50/report.json"]
    assert found["candidate_results"]["Frequency_Weighted_IoU"] is None
    assert found["candidate_speed"]["fps"] is None
    assert found["speedup_latency"] is None
    assert found["pruning_ratios"]["channels_before"] is None
    assert set(written()) == {"benchmark_summary.json"}
    assert written()["benchmark_summary.json"]["benchmark_config"]["protocol"] is None


@pytest.mark.parametrize(("protocol", "accuracy"), [("corrected", 0.5), ("seed", 0.25)])
def test_the_oracle_is_compared_with_the_method_and_in_the_seed_protocol_with_l1(protocol, accuracy):
    compared = Comparison.model_validate(COMPARISON)
    benchmark = {"evaluation": {"batch_size": 4}, "oracle": {"samples": 32}}
    files = written(cell("fpgm@0.3", ratio=0.3, protocol=protocol, comparison=compared), benchmark=benchmark)
    found = files["fpgm_0_30/report.json"]
    analysis = found["oracle_analysis"]
    assert analysis["redundancy_identification_accuracy"] == accuracy
    assert (analysis["analyzed_layer"], analysis["layer_channels"]) == ("first", 64)
    assert analysis["chance"] == 0.1875
    assert analysis["oracle_samples_used"] == 16, "the split has no more"
    assert analysis["layers"][0]["method"]["correlation"] == 0.4
    assert found["reconstruction_mse"] == 0.25
    assert found["evaluation_config"]["oracle_samples"] == 32
    assert files["benchmark_summary.json"]["benchmark_config"]["oracle_samples"] == 32


def test_without_a_ranking_there_is_no_accuracy():
    unranked = {**COMPARISON["layers"][0], "method": None, "method_missing": "it ranks nothing"}
    compared = Comparison.model_validate({**COMPARISON, "layers": [unranked]})
    found = written(cell("fpgm@0.3", ratio=0.3, comparison=compared))["fpgm_0_30/report.json"]
    assert found["oracle_analysis"]["redundancy_identification_accuracy"] is None
    nothing = written(cell("fpgm@0.3", ratio=0.3))["fpgm_0_30/report.json"]
    assert (nothing["oracle_analysis"], nothing["reconstruction_mse"]) == ({}, None)


def test_a_summary_is_of_one_protocol_and_one_seed():
    cells = [
        cell("fpgm@0.3+none", ratio=0.3, protocol=protocol, seed=seed)
        for protocol in ("corrected", "seed")
        for seed in (0, 1)
    ]
    files = written(*cells, benchmark={"protocol": "corrected", "seeds": [0, 1]})
    summaries = {name: content for name, content in files.items() if name.endswith("benchmark_summary.json")}
    found = {
        name.removesuffix("benchmark_summary.json"): [
            (entry["protocol"], entry["seed"]) for entry in content["results"]
        ]
        for name, content in summaries.items()
    }
    assert found == {
        "": [("corrected", 0)],
        "seed1/": [("corrected", 1)],
        "seed/": [("seed", 0)],
        "seed/seed1/": [("seed", 1)],
    }
    assert all(f"{folder}fpgm_0_30/report.json" in files for folder in found)
    stated = [
        (content["benchmark_config"]["protocol"], content["benchmark_config"]["seed"]) for content in summaries.values()
    ]
    assert stated == [entries[0] for entries in found.values()]
    assert all(content["summary_stats"]["total_experiments"] == 1 for content in summaries.values())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (182_300_000_000, "182.300G"),
        (39_638_355, "39.638M"),
        (1_500_000_000_000, "1.500T"),
        (2_048, "2.048K"),
        (7, "7.000B"),
    ],
)
def test_counts_are_written_as_the_originals_counter_does(value, text):
    assert formatted(value) == text
