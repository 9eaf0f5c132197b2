"""How good a colorized photograph is: named metrics with their facts, and the scorer that computes them together."""
