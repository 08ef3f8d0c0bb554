"""Everything that imports Great Expectations. GX objects and customers' values never leave this package."""
