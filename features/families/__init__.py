"""Feature families: one file each. Every file here is discovered; adding a function under `@feature` is enough."""
