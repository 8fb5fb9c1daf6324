"""Fine-tuned models and their versions: made, described, compared, exported."""
