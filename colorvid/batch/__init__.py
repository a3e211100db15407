"""Many files on many processors and machines: jobs, parts, workers, and what happened to each."""
