"""The job: movies, model and settings as the user asks for them, checked."""
