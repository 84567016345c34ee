"""A page that shows a live run in a browser."""
