"""Request bytes in, response bytes out. Never imported by training."""
