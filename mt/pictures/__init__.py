"""What training, attention and search look like."""
