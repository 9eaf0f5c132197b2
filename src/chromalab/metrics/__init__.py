"""How good a colorised photograph is: named metrics with their facts, and the scorer that computes them together."""
