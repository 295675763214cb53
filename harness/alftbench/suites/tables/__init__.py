"""Suites that are tables of problems, each said by a YAML."""
