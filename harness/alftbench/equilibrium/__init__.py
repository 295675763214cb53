"""How far a trained model is from the equilibrium of the game that it was trained for."""
