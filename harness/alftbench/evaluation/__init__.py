"""One evaluation in a folder: prompts, samples, answers, metrics, record."""
