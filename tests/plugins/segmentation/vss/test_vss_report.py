"""The VSS format: exact names and keys, values from records, nothing invented."""

import json

import pytest
from cells import COMPARISON
from records import make_record

from bench_segmentation.vss.report import VSSReport, experiment_names, formatted
from harness.store.comparison import Comparison
from harness.store.record import Size

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


def cell(pipeline, *, metrics=(0.6, 0.45), protocol="corrected", milliseconds=(8.0, 5.0), comparison=None, **changes):
    record = make_record(pipeline, **changes)
    if not record.steps:
        return record.model_dump(mode="json")
    sizes = [
        Size(params=39_600_000, macs=182_300_000_000, input_shape=(1, 3, 64, 96), bytes=1),
        Size(params=28_100_000, macs=127_800_000_000, input_shape=(1, 3, 64, 96), bytes=1),
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
    update["comparison"] = comparison
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
    assert set(found) == KEYS
    assert found["baseline_results"] == {
        "mIoU": 0.6,
        "Pixel_Accuracy": pytest.approx(0.8),
        "Mean_Accuracy": pytest.approx(0.7),
        "Frequency_Weighted_IoU": pytest.approx(0.65),
    }
    assert found["miou_retention"] == pytest.approx(0.75)
    assert found["pixel_accuracy_retention"] == pytest.approx(0.65 / 0.8)
    assert (found["input_size"], found["num_classes"]) == ([1, 3, 64, 96], 2)


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
    assert found["pruning_ratios"]["channel_prune_ratio"] == 0.5
    assert set(found["pruning_ratios"]) == {
        "channel_prune_ratio",
        "layer_prune_ratio",
        "channels_before",
        "channels_after",
        "layers_before",
        "layers_after",
    }


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
    assert all(set(found) >= KEYS | {"channel_reduction"} for found in summary["results"])
    (failed,) = summary["failed_experiments"]
    assert (failed["experiment_name"], failed["failure"]["kind"]) == ("dmcp_0_50", "oom")
    assert summary["benchmark_config"] == {
        "dataset": "digits",
        "model": "residual_fcn",
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


@pytest.mark.parametrize(("protocol", "accuracy"), [("corrected", 0.5), ("seed", 0.25)])
def test_the_oracle_is_compared_with_the_method_and_in_the_seed_protocol_with_l1(protocol, accuracy):
    compared = Comparison.model_validate(COMPARISON)
    benchmark = {"evaluation": {"batch_size": 4}, "oracle": {"samples": 32}}
    files = written(cell("fpgm@0.3", ratio=0.3, protocol=protocol, comparison=compared), benchmark=benchmark)
    found = files["fpgm_0_30/report.json"]
    analysis = found["oracle_analysis"]
    assert analysis["redundancy_identification_accuracy"] == accuracy
    assert (analysis["analyzed_layer"], analysis["layer_channels"]) == ("first", 64)
    assert analysis["oracle_samples_used"] == 16, "the split has no more"
    assert analysis["layers"][0]["method"]["correlation"] == 0.4
    assert found["reconstruction_mse"] == 0.25
    assert found["pruning_ratios"] == {
        "channel_prune_ratio": 0.5,
        "layer_prune_ratio": 0.0,
        "channels_before": 40,
        "channels_after": 20,
        "layers_before": 4,
        "layers_after": 4,
    }
    assert found["evaluation_config"]["oracle_samples"] == 32
    assert files["benchmark_summary.json"]["benchmark_config"]["oracle_samples"] == 32


def test_without_a_ranking_there_is_no_accuracy():
    unranked = {**COMPARISON["layers"][0], "method": None, "method_missing": "it ranks nothing"}
    compared = Comparison.model_validate({**COMPARISON, "layers": [unranked]})
    found = written(cell("fpgm@0.3", ratio=0.3, comparison=compared))["fpgm_0_30/report.json"]
    assert found["oracle_analysis"]["redundancy_identification_accuracy"] is None
    nothing = written(cell("fpgm@0.3", ratio=0.3))["fpgm_0_30/report.json"]
    assert (nothing["oracle_analysis"], nothing["reconstruction_mse"]) == ({}, None)


def test_experiments_of_one_name_are_told_apart():
    cells = [cell("l1@0.5+none", seed=seed) for seed in (0, 1)]
    assert experiment_names(cells) == ["l1_0_50", "l1_0_50__residual_fcn__digits__l1@0.5+none__seed1"]


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
