"""Measuring shared out over the processes of a run."""

from collections.abc import Callable, Sequence

import torch


def shared_map(function: Callable, items: Sequence) -> list:
    """As `map`, where each process does a part; in one that has no others, and in all of a run, which must all call it.

    What an item gives does not depend on who does it, so that the results are those of one process.

    Args:
        function: of an item; what it gives can be pickled.
        items: the same in all processes.

    Returns:
        What each item gives, in their order, in every process.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [function(item) for item in items]
    rank, n_processes = torch.distributed.get_rank(), torch.distributed.get_world_size()
    parts: list = [None] * n_processes
    torch.distributed.all_gather_object(parts, [function(item) for item in items[rank::n_processes]])
    return [parts[number % n_processes][number // n_processes] for number in range(len(items))]
