"""The training loop: schedule, gradients, optimisers, checkpoints, log."""
