"""Planners: each says which runs must stop so that a model can start (`core.messages.Planner`). Pure and deterministic."""
