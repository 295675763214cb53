"""Leaderboards, from verified records only."""
