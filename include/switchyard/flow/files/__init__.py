"""Flow files: read, completed from the defaults, validated with file, line and the nearest right key."""
