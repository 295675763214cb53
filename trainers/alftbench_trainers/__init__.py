"""Reference trainers for answer-level fine-tuning, plugged into alftbench by entry points."""
