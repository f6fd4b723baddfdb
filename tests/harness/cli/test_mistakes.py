"""A user's mistake ends with code 2 and a message that says what to do; never with a traceback."""

import pytest

GRID = ("--methods", "fpgm", "--ratios", "0.5")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "--methods", "fpmg", "--ratios", "0.5"], ["unknown method 'fpmg'", "did you mean 'fpgm'?"]),
        (
            ["plan", "--methods", "fpgm", "--ratios", "1.5"],
            ["--ratios", "1.5 is not a ratio", "at least 0 and below 1"],
        ),
        (["run", "--methods", "fpgm"], ["--ratios", "needs a ratio"]),
        (["run"], ["names no method", "--methods"]),
        (["run", "missing.yaml"], ["missing.yaml", "does not exist"]),
        (["run", *GRID, "--models", "residual_fnc"], ["residual_fnc", "residual_fcn"]),
        (["run", *GRID, "--datasets", "digit"], ["digit", "digits"]),
        (["run", *GRID, "--task", "segmentatoin"], ["segmentatoin", "segmentation"]),
        (["run", *GRID, "--set", "recovery.iteration=5"], ["recovery.iteration", "iterations"]),
        (["run", *GRID, "--ratio-of", "chanels"], ["--ratio-of", "channels"]),
        (["run", *GRID, "--retry", "ooom"], ["--retry", "'ooom'", "oom"]),
        (["plan", *GRID, "--retry", "none,oom"], ["--retry", "'none' stands alone"]),
        (["run", *GRID, "--force", "measur"], ["--force", "'measur' is not a stage", "did you mean 'measure'?"]),
        (["plan", *GRID, "--force", "compres"], ["--force", "did you mean 'compress'"]),
        (["run", *GRID, "--visualizer", "tensorbord"], ["--visualizer tensorbord", "Choose from local, tensorboard"]),
        (["status", "nowhere"], ["nowhere", "no such folder"]),
        (["why", "fpgm@0.5", "nowhere"], ["nowhere", "no such folder"]),
        (["run", *GRID, "--disable", "fpmg"], ["--disable", "fpmg"]),
        (["run", "--pipelines", "fpgm@"], ["--pipelines", "setting"]),
        (["run", "--pipelines", "fpgm"], ["fpgm", "needs a ratio", "fpgm@0.5"]),
        (["run", "--pipelines", "fpgm@1.0"], ["fpgm@1.0", "below 1"]),
        (["run", "--pipelines", "fpgm@0.5(alocation=global)"], ["alocation", "allocation"]),
        (["run", "--pipelines", "fpgm@0.5+finetune@0.5"], ["finetune", "takes no setting"]),
        (["report", "nowhere"], ["nowhere", "no such folder"]),
        (["report", "."], ["no results here"]),
        (["list", "method"], ["'method'", "methods"]),
        (["datasets", "export", "digitz", "x"], ["digitz", "digits"]),
        (["run", *GRID, "--models", "mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscape-512x1024"], ["Did you mean mmseg::fcn"]),
        (["check", "unt"], ["unknown model 'unt'", "did you mean 'unet'?"]),
        (["check", "unet", "--methods", "fpmg"], ["unknown method 'fpmg'", "fpgm"]),
        (["check", "my/model.py"], ["my/model.py", "no such config file"]),
        (["run", *GRID, "--models", "my/model.py"], ["my/model.py", "no such config file"]),
        (["list", "--zoo", "mmsegs"], ["mmsegs", "mmseg"]),
    ],
)
def test_message(bench, tmp_path, monkeypatch, arguments, expected):
    monkeypatch.chdir(tmp_path)
    result = bench(*arguments)
    output = result.output
    assert result.exit_code == 2, output
    assert output.startswith("error: ")
    assert "Traceback" not in output
    for text in expected:
        assert text in output
    assert list(tmp_path.iterdir()) == []


def test_unknown_key_in_a_file_names_file_line_key_and_what_comes_close(bench, tmp_path):
    file = tmp_path / "my.yaml"
    file.write_text("methods: [fpgm]\nratios: [0.5]\nrecovery:\n  iteration: 5\n")
    result = bench("run", file)
    assert result.exit_code == 2
    assert f"{file}:4: recovery.iteration" in result.output
    assert "iterations" in result.output


def test_an_out_folder_that_cannot_be_written(bench, tmp_path):
    (tmp_path / "file").write_text("")
    result = bench("run", *GRID, "--out", tmp_path / "file" / "results")
    assert result.exit_code == 2
    assert "--out" in result.output


def test_an_unknown_column_or_format(bench, results):
    for arguments in (["--columns", "retentoin"], ["--sort", "retentoin"], ["--format", "markdwon"]):
        result = bench("report", results, *arguments)
        assert result.exit_code == 2
        assert "did you mean" in result.output


def test_an_unknown_flag(bench):
    result = bench("run", "--method", "fpgm")
    assert result.exit_code == 2
    assert "--methods" in result.output


def test_export_into_a_folder_that_is_not_empty(bench, tmp_path):
    (tmp_path / "mine").write_text("")
    result = bench("datasets", "export", "digits", tmp_path)
    assert result.exit_code == 2
    assert "not an empty folder" in result.output
