"""What a performance run records of its latencies: their distribution, and a trace over the run."""
