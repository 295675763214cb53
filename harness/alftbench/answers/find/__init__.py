"""Where a text names its answer."""
