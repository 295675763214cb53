"""How far a trained model is from the equilibrium of its game."""
