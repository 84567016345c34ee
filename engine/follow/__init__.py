"""Follow the animal: the model looks at a window around it, and at whole frames where in doubt."""
