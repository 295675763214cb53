"""The methods: each a file that reads as its algorithm."""
