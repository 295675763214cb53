"""Everything that knows lm-eval, both ways."""
