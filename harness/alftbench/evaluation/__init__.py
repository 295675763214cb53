"""One evaluation: orbits to samples to answers to classes to metrics."""
