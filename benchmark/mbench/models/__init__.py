"""Adapters: one module a model or family of models."""
