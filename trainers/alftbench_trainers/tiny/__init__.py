"""The maker of the embedded model."""
