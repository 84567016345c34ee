"""The pipeline of one movie: its threads, channels and stages."""
