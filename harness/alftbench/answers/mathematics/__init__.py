"""Mathematical answers: notation in, normal form out."""
