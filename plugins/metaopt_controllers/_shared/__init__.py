"""What several schedules of this package share."""
