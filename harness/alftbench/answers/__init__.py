"""Final answers: read from a text, given a key, grouped into classes."""
