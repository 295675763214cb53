"""Results and samples in the layout of lm-eval: written beside every run, and read from peers."""
