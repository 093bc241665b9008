"""LoadGen's log formats: bytes to values, nothing else."""
