"""Training one network under one objective: settings, the loop, checkpoints and logs."""
