"""Tasks and episodes from folders of images."""
