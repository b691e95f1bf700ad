"""What is asked and answered, compared with what it was in training."""
