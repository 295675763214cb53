"""How work reaches processes: on this machine, or as a crew of actors on a cluster."""
