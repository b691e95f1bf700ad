"""The algorithm: compiled loops, the estimator to learn, the predictor to serve."""
