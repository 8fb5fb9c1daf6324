"""Pretrained encoders: which there are, where their weights come from, tokens, trunk and tail."""
