"""Tables of any size in, predictions for every row out, in parts that are kept."""
