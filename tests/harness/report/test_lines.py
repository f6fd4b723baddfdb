import io

import pytest
from records import make_record
from rich.console import Console

from harness.report.choice import default_columns
from harness.report.collection import Run
from harness.report.columns import choose_columns
from harness.report.lines import LARGE, print_lines
from harness.report.rows import make_rows
from harness.report.terminal import print_report


def printed(width=80, terminal=False, **given):
    output = io.StringIO()
    print_lines(
        Console(file=output, width=width, force_terminal=terminal, color_system=None),
        ["name", "value"],
        [["a", "1"], ["bcd", "23456"]],
        **given,
    )
    return output.getvalue().splitlines()


def test_columns_are_aligned_below_their_headings():
    assert printed(right=[False, True], title="both") == [
        "both", "  name  value", " ─────────────", "  a         1", "  bcd   23456",
    ]  # fmt: skip


def test_a_line_that_is_too_wide_ends_in_an_ellipsis():
    assert printed(width=9, terminal=True)[-1] == "  bcd   …"


def test_a_pipe_is_as_wide_as_it_needs_to_be():
    assert printed(width=9)[-1] == "  bcd   23456"


@pytest.mark.parametrize("count", [3, LARGE])
def test_a_report_of_any_size_has_all_rows(tmp_path, count):
    records = [make_record("l1@0.5+finetune", seed=seed) for seed in range(count)]
    rows = make_rows([Run(tmp_path, records)])
    output = io.StringIO()
    print_report(Console(file=output), rows, choose_columns(default_columns(rows)), "title")
    lines = output.getvalue().splitlines()
    assert sum("l1" in line for line in lines) == count
    assert sum("baseline" in line for line in lines) == count
    assert any("retention" in line and "mIoU after" in line for line in lines)
