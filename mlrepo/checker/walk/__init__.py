"""The levels of a submission: the tree, its submitters, systems, benchmarks and results."""
