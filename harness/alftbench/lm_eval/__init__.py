"""Everything that knows lm-eval: its tasks, models and files, both ways."""
