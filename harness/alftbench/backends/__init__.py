"""Engines that turn prompts into samples."""
