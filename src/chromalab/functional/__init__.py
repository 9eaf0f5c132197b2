"""Formulas that losses and metrics share: functions of float tensors that return one value per picture."""
