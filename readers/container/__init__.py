"""Movies in containers that FFmpeg reads (.avi, .mp4, .mkv, .ts)."""
