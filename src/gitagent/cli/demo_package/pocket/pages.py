"""Long lists, a page at a time."""


def pages(items, size):
    """Return `items` as lists of `size`; the last one has what is left."""
    count = len(items) // size
    return [items[n * size : (n + 1) * size] for n in range(count)]
