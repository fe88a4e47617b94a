"""The host itself: its processes, their supervisor, and the commands of `plugin-host`."""
