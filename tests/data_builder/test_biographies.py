import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builder.biographies import Renderer
from data_builder.random import uniforms
from tests.helpers.independent import biography, full_name, value_text


@pytest.fixture(scope="module", params=["source", "full_source"])
def world(request):
    source = request.getfixturevalue(request.param)
    return source, Renderer(source)


def drawn(source, seed):
    """A person with any name and values, told in any templates and order."""
    sizes = (*source.word_lists.name_sizes, *source.word_lists.value_sizes.values(), *source.population.n_templates)
    numbers = (uniforms(seed, "biographies test", (len(sizes),)) * np.array(sizes)).astype(int).tolist()
    order = np.argsort(uniforms(seed, "order", (6,))).tolist()
    return numbers[:3], numbers[3:9], numbers[9:], order


@given(seed=st.integers(0, 10**6))
def test_a_biography_equals_its_slow_rendering_and_spans_cut_names_and_values_in_order(world, seed):
    source, renderer = world
    parts, values, templates, order = drawn(source, seed)
    told = renderer.biography(parts, values, templates, order)
    assert told.text == biography(source, parts, values, templates, order)
    assert told.text == " ".join(told.text.split())
    assert "{" not in told.text
    name = full_name(source, parts)
    assert renderer.name(parts) == name
    assert [told.text[begin:end] for begin, end in told.name_spans] == [name] * 6
    assert [told.text[begin:end] for begin, end in told.value_spans] == [
        value_text(source, a, values[a]) for a in order
    ]
    ends = [end for pair in zip(told.name_spans, told.value_spans, strict=True) for span in pair for end in span]
    assert ends == sorted(ends)
