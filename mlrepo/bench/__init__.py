"""Benchmark runs: plan one, execute it in a child process, judge it, record it."""
