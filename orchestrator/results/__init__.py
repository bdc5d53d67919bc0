"""Runs read from Python: verdicts, lanes, scores, predictors and figures, without starting anything."""

from orchestrator.results.opened_run import OpenedRun, open_run
from orchestrator.results.run_comparison import RunComparison, open_runs

__all__ = ["OpenedRun", "RunComparison", "open_run", "open_runs"]
