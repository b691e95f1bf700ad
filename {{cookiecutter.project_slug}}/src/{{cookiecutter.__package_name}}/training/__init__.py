"""From a data file to a judged model. Never imported by serving."""
