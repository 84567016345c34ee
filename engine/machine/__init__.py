"""What a run knows of the machine it runs on, and how it uses it."""
