"""Random number generators of NumPy, whose native code trusts the position in their state."""

from __future__ import annotations

from flask_skmodels.artifacts.structures.checks import Part, State, structure, whole_number

_WORDS = 624  # of a Mersenne Twister
_BUFFER = 4  # numbers that Philox computes together


@structure("numpy.random.mtrand.RandomState")
def check_random_state(generator: Part) -> None:
    """Check the position of a generator of the old interface."""
    _check_state(generator.get_state(legacy=False))


@structure("numpy.random._generator.Generator")
def check_generator(generator: Part) -> None:
    """Check the position of a generator of the new interface."""
    _check_state(generator.bit_generator.state)


def _check_state(state: State) -> None:
    if state["bit_generator"] == "MT19937":
        whole_number(state["state"]["pos"], "its position", 0, _WORDS)
    elif state["bit_generator"] == "Philox":
        whole_number(state["buffer_pos"], "its position", 0, _BUFFER)
