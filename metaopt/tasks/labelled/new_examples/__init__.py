"""Images and texts that come after training: read as those of training were, and turned into the same inputs."""
