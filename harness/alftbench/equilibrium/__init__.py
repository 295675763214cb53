"""How far a trained model is from its game's equilibrium."""
