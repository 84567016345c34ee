"""The following of an animal by windows around it, and by whole frames where these are in doubt."""
