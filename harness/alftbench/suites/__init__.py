"""Benchmarks: problems, their phrasings and their right answers."""
