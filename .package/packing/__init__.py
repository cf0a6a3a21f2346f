"""Makes packages and archives of what has been built, the same bytes each time. One kind of package is one module."""
