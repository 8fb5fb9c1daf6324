"""Answering texts with a trained model."""
