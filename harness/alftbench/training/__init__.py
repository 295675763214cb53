"""The contract of a trainer, and one training run in a folder."""
