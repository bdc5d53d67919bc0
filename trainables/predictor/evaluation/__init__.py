"""What a trained predictor scores, as sums and counts per speaker."""
