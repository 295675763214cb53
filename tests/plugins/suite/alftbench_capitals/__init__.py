"""Suites about capitals: every YAML file in this folder is one, called as its file."""
