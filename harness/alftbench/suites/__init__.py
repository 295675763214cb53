"""Benchmarks: problems, the phrasings that ask them, right answers, and how answers are graded."""
