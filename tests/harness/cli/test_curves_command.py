from test_startup import modules_of

from harness.store.curve import Curve, write_curve


def left_curve(run_folder, cell):
    stage = cell.points[0].made
    logs = run_folder.layout.stage("train", stage.identity) / "mmengine"
    logs.mkdir()
    write_curve(logs, Curve(iterations=[1, 2], learning_rate=[0.1, 0.2], losses={"loss": [1.0, 0.5]}))
    return f"train_residual_fcn-{stage.identity[:8]}.png"


def test_pictures_are_told_by_their_paths(bench, run_folder, tmp_path):
    first, _ = run_folder.cells
    run_folder.complete(first)
    name = left_curve(run_folder, first)
    result = bench("curves", run_folder.layout.root)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [str(run_folder.layout.pictures / "curves" / name)]
    assert (run_folder.layout.pictures / "curves" / name).read_bytes().startswith(b"\x89PNG")
    assert bench("curves", run_folder.layout.root, "--out", tmp_path).stdout.strip() == str(tmp_path / name)


def test_what_is_left_out_is_told(bench, run_folder):
    run_folder.complete(*run_folder.cells)
    name = left_curve(run_folder, run_folder.cells[0])
    result = bench("curves", run_folder.layout.root)
    assert [line.rpartition("/")[2] for line in result.stdout.splitlines()] == [name]
    assert "2 baselines and recoveries have left no curve" in result.stderr
    (run_folder.layout.root / "stages").joinpath(
        f"train-{run_folder.cells[0].points[0].made.identity[:20]}", "mmengine", "curve.json"
    ).write_text("{")
    result = bench("curves", run_folder.layout.root)
    assert result.exit_code == 2
    assert "warning: left out: " in result.stderr
    assert "none of the 1 curves here can be read" in result.stderr


def test_a_folder_that_cannot_be_written_to_is_a_mistake(bench, run_folder, tmp_path):
    first, _ = run_folder.cells
    run_folder.complete(first)
    left_curve(run_folder, first)
    (tmp_path / "afile").touch()
    for out in (tmp_path / "afile", tmp_path / "afile" / "below", "/proc/x"):
        result = bench("curves", run_folder.layout.root, "--out", out)
        assert result.exit_code == 2
        assert f"error: --out {out}: " in result.stderr


def test_without_curves_or_results_it_is_a_mistake(bench, run_folder, tmp_path):
    run_folder.complete(run_folder.cells[0])
    result = bench("curves", run_folder.layout.root)
    assert result.exit_code == 2
    assert "no training here has left a curve" in result.stderr
    assert "no results here" in bench("curves", tmp_path).stderr


def test_it_imports_no_torch(run_folder, tmp_path):
    first, _ = run_folder.cells
    run_folder.complete(first)
    left_curve(run_folder, first)
    modules = modules_of("curves", str(run_folder.layout.root), cwd=tmp_path)
    assert "matplotlib" in modules
    assert not {"torch", "mmengine"} & modules
