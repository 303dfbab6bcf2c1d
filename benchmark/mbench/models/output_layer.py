"""The layer over the vocabulary that a language model's checkpoint holds and that no embedding needs."""

from __future__ import annotations

from mbench.models.weights_io import Checkpoint, Shape, complain


def check_output_layer(checkpoint: Checkpoint, name: str, shape: Shape, *, tied: bool) -> None:
    """Raise CheckpointError unless the layer that is not loaded is there (or `tied`) and has the model's `shape`.

    One that is missing or of another shape tells that the checkpoint is of another model or was not saved whole.
    """
    found = checkpoint.shapes.get(name)
    misshaped = found is not None and found != shape
    complain(
        checkpoint.where,
        [name] if found is None and not tied else [],
        [],
        [f"{name} is {list(found or ())}, the model has {list(shape)}"] if misshaped else [],
    )
