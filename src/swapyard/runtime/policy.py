"""From a configuration to what the scheduler needs to know of it, and what a new one changes for runs that are alive."""

from __future__ import annotations

from swapyard.config.schema import Config
from swapyard.core.messages import ModelPolicy, Policy
from swapyard.runtime.strategies import planner_of


def policy_of(config: Config) -> Policy:
    """What the core needs to know of a configuration. Raises `strategies.Broken` for a planner that cannot be made."""
    routing = config.routing
    priority = routing.fifo.priority
    models = {
        name: ModelPolicy(
            limit=model.concurrency_limit if model.concurrency_limit > 0 else None,
            priority=priority.get(name, 0),
            ttl=float(model.ttl),
        )
        for name, model in config.models.items()
    }
    return Policy(
        models,
        planner_of(config),
        max_wait=routing.fifo.max_wait,
        max_queue=routing.fifo.max_queue,
        settings=routing.scheduler_settings,
    )


# Parts of a model's definition that its process does not see: a change of these alone leaves the run in place.
NOT_PART_OF_A_RUN = (
    "aliases", "unlisted", "use_model_name", "name", "description", "concurrency_limit", "send_loading_state",
    "filters", "metadata", "compat", "capabilities", "ttl", "unload_timeout",
)  # fmt: skip


def replaced_models(old: Config, new: Config) -> frozenset[str]:
    """Models whose running server no longer is what the configuration says: gone, or changed in what makes a run."""

    def definition(config: Config, name: str) -> tuple[object, ...]:
        model = config.models[name]
        return tuple(getattr(model, field) for field in model.__struct_fields__ if field not in NOT_PART_OF_A_RUN)

    return frozenset(name for name in old.models if name not in new.models or definition(old, name) != definition(new, name))
