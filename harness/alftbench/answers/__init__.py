"""From a text to its final answer, the answer's key and its class."""
