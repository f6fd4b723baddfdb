"""Exit codes other than 0, all good."""

SOME_CELL_FAILED = 1
USER_MISTAKE = 2
INTERRUPTED = 130
