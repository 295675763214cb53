"""The native engine: one process, one device."""
