"""What a trainer is asked and must hand back; one training run in a folder."""
