"""Final answers: found in a completion, given a key, grouped into classes."""
