"""alftbench: an evaluation-and-benchmark harness for answer-level fine-tuning."""

__version__ = "0.1.0"
