"""What every room stands on: files, locks, seeds, statistics, provenance."""
