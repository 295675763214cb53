"""Any backend over a Ray cluster."""
