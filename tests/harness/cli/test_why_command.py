import json
import shutil

import pytest

LOW, HIGH = (f"residual_fcn__digits__l1@{ratio}+finetune__seed0" for ratio in (0.2, 0.5))


def test_stages_with_identities_inputs_and_what_they_depend_on(bench, run_folder):
    first, second = run_folder.cells
    run_folder.complete(first)
    result = bench("why", "l1@0.5+finetune", run_folder.layout.root)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == f"{HIGH}: never run: 3 of 8 stages are there already"
    assert lines[1] == f"  record: {run_folder.layout.record(HIGH)}"
    headings = [line for line in lines if line and not line.startswith(" ")][1:]
    assert headings[0].startswith("train ")
    assert headings[0].endswith(": complete")
    assert len(headings) == 8
    compress = second.points[1].made
    part = result.stdout.partition("\ncompress l1@0.5: never run\n")[2].partition("\n\n")[0]
    assert f"identity: {compress.identity[:12]}  in {run_folder.layout.stage('compress', compress.identity)}" in part
    for role, source in compress.inputs:
        assert f"  {role} from: {source.label} ({source.identity[:12]})" in part
        assert f"    anything that {role} depends on" in part
    assert "  runs again when one of these changes:" in part
    assert "    plugin method: bench-pruning " in part
    assert "    engine semantics: 1" in part
    train = result.stdout.partition("\ntrain ")[2].partition("\n\n")[0]
    assert f"    data set fingerprint: {second.stages[0].fields.dataset[:12]}" in train
    assert "    training.iterations: " in train


def test_json_has_the_whole_identities_and_fields(bench, run_folder):
    first, _ = run_folder.cells
    run_folder.complete(first)
    content = json.loads(bench("why", LOW, run_folder.layout.root, "--json").stdout)
    assert (content["cell"], content["state"], content["reason"]) == (LOW, "complete", "")
    assert content["problems"] == []
    assert [stage["identity"] for stage in content["stages"]] == [stage.identity for stage in first.stages]
    compress = next(stage for stage in content["stages"] if stage["kind"] == "compress")
    expected = first.points[1].made
    assert compress["fields"] == expected.fields.model_dump(mode="json")
    assert compress["inputs"] == {role: source.identity for role, source in expected.inputs}
    assert (compress["state"], compress["reason"]) == ("complete", "")
    assert compress["folder"] == str(run_folder.layout.stage("compress", expected.identity))


def test_the_cause_of_a_stale_cell_is_told_stage_by_stage(bench, run_folder):
    run_folder.ask(methods=["l1"], ratios=[0.2], training={"iterations": 50})
    run_folder.complete(*run_folder.cells)
    run_folder.ask(methods=["l1"], ratios=[0.2], training={"iterations": 100})
    content = json.loads(bench("why", LOW, run_folder.layout.root, "--json").stdout)
    assert {stage["state"] for stage in content["stages"]} == {"stale"}
    assert {stage["reason"] for stage in content["stages"]} == {"training.iterations 50 -> 100"}


@pytest.mark.parametrize("name", [LOW, "l1@0.2+finetune", "0.2", "@0.2"])
def test_a_cell_is_named_by_itself_its_pipeline_or_a_part_of_it(bench, run_folder, name):
    result = bench("why", name, run_folder.layout.root)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{LOW}: never run\n  record: ")
    assert "record.json (not there)" in result.stdout


def test_a_whole_name_is_not_ambiguous_because_it_is_a_part_of_another(bench, run_folder):
    run_folder.ask(pipelines=["l1@0.2+none", "l1@0.2+none+l1@0.5+none"])
    result = bench("why", "l1@0.2+none", run_folder.layout.root)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("residual_fcn__digits__l1@0.2+none__seed0:")


def test_a_part_of_several_names_asks_which(bench, run_folder):
    result = bench("why", "l1", run_folder.layout.root)
    assert result.exit_code == 2
    assert "'l1' is a part of 2 cells" in result.output
    assert LOW in result.output
    assert HIGH in result.output


def test_an_unknown_name_names_what_comes_close(bench, run_folder):
    result = bench("why", "l1@0.5+finetnue", run_folder.layout.root)
    assert result.exit_code == 2
    assert "there is no cell 'l1@0.5+finetnue'" in result.output
    assert "did you mean 'l1@0.5+finetune'" in result.output


def test_a_cell_in_several_runs_asks_which(bench, run_folder, another_run_folder):
    parent = run_folder.layout.root.parent
    result = bench("why", LOW, parent)
    assert result.exit_code == 2
    for folder in ("demo", "other"):
        assert f"{LOW} ({parent / folder})" in result.output
    another_run_folder.ask(methods=["l1"], ratios=[0.5])
    result = bench("why", LOW, parent)
    assert result.exit_code == 0, result.output
    assert str(run_folder.layout.record(LOW)) in result.stdout


def test_a_cell_outside_the_last_run_is_told_from_its_record(bench, run_folder):
    run_folder.complete(*run_folder.cells)
    train = run_folder.cells[0].stages[0]
    run_folder.ask(methods=["l1"], ratios=[0.5])
    shutil.rmtree(run_folder.layout.stage(train.kind, train.identity))
    result = bench("why", LOW, run_folder.layout.root)
    lines = result.stdout.splitlines()
    assert lines[0] == f"{LOW}: stale: gone: {train.label}"
    assert lines[2].startswith("  Not among what the last run asked for")
    assert f"  {train.label}: complete ({train.identity[:12]})" in lines
    content = json.loads(bench("why", LOW, run_folder.layout.root, "--json").stdout)
    assert (content["state"], content["stages"]) == ("stale", [])


def test_what_cannot_be_read_is_told_beside(bench, run_folder):
    run_folder.complete(*run_folder.cells)
    path = run_folder.layout.record(HIGH)
    path.write_text("")
    result = bench("why", LOW, run_folder.layout.root)
    assert result.exit_code == 0
    assert f"warning: {path}: is empty" in result.stderr


def test_no_results_is_a_mistake(bench, tmp_path):
    result = bench("why", LOW, tmp_path)
    assert result.exit_code == 2
    assert "no results here" in result.output
