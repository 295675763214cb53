"""Comparisons that need symbolic algebra, in worker processes with limits."""
