"""What comes in and what goes out, held against what it was at training."""
